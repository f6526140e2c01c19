"""A column of cells to labels: values, bounds and unit, and what had to be done to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.data.columns.classes import answers_of
from gradprobe.data.columns.numbers import Ambiguous, Cell, convention_of, parse_cell, value_of
from gradprobe.data.columns.suspicions import suspicions
from gradprobe.data.columns.texts import MISSING, Texts
from gradprobe.data.task_labels import ABOVE, BELOW, EXACT, Bounds
from gradprobe.geometry.gramian import FloatArray

_BOUND = {"below": BELOW, "above": ABOVE, "exact": EXACT, "about": EXACT}
# A column with fewer numbers among its cells than this is text with some numbers in it.
_READABLE_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class Understood:
    """The labels [r] of a column: NaN where missing; `bounds` say where the true value lies beyond one.

    A bound of -1 stands for `<5`: the true value is at most 5; +1 for `>5`.
    """

    values: FloatArray
    bounds: Bounds
    unit: str
    conversions: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class NotLabels:
    """Why a column holds no labels, and the place of a cell that shows it."""

    reason: str
    place: int | None = None
    text: str = ""


def understand(
    cells: Texts, *, missing: Sequence[str] = (), decimal_comma_file: bool = False
) -> Understood | NotLabels:
    """The labels of a column, or why it holds none.

    `missing` are marks for missing cells beside the usual ones; a mark that is a number covers every
    spelling of it. Two answers (yes and no, active and inactive) become 1 and 0. A unit or a percent sign is
    read where all cells carry the same. Of `a ± b`, a is read. Where at least four cells in five are
    numbers, the others count as missing, which `conversions` say.
    """
    marks = frozenset(mark.strip().lower() for mark in missing)
    if cells.numbers is not None:
        return _numbers(cells.numbers.copy(), marks)
    open_texts = [
        code
        for code, text in enumerate(cells.distinct)
        if text and text.lower() not in marks and text.lower() not in MISSING - {"-"}
    ]
    answers = answers_of([cells.distinct[code] for code in open_texts])
    if answers is not None:
        table = np.array([answers.values.get(text, np.nan) for text in cells.distinct])
        values = table[cells.codes]
        return Understood(values, np.zeros(len(values), dtype=np.int8), "", (answers.conversion,), ())
    present = [code for code in open_texts if cells.distinct[code] != "-"]
    return _parsed(cells, present, marks, decimal_comma_file)


def _parsed(
    cells: Texts, present: list[int], marks: frozenset[str], decimal_comma_file: bool
) -> Understood | NotLabels:
    counts = cells.counts()
    total = sum(counts[code] for code in present)
    if not total:
        return NotLabels("empty")
    parsed = {code: cell for code in present if (cell := parse_cell(cells.distinct[code])) is not None}
    convention = convention_of(
        dict.fromkeys(cell.number for cell in parsed.values()), decimal_comma_file=decimal_comma_file
    )
    if isinstance(convention, Ambiguous):
        return _left_out(
            cells,
            [code for code, cell in parsed.items() if cell.number == convention.example],
            convention.reason,
        )
    values = {
        code: value
        for code, cell in parsed.items()
        if (value := value_of(cell.number, convention)) is not None
    }
    unreadable = [code for code in present if code not in values]
    readable = total - sum(counts[code] for code in unreadable)
    if readable < _READABLE_SHARE * total:
        return _text(cells, unreadable, total - readable, total)
    units: Counter[str] = Counter()
    for code in values:
        units[parsed[code].unit] += counts[code]
    if len(units) > 1:
        return _mixed_units(cells, parsed, values, units)
    numbers, bounds = np.full(len(cells.distinct), np.nan), np.zeros(len(cells.distinct), dtype=np.int8)
    for code, value in values.items():
        numbers[code], bounds[code] = value, _BOUND[parsed[code].mark]
    found = _without_marks(numbers[cells.codes], marks)
    said = _conversions(cells, parsed, values, counts, convention, unreadable)
    beyond = np.where(np.isnan(found), 0, bounds[cells.codes]).astype(np.int8)
    return Understood(found, beyond, next(iter(units)), said, suspicions(found[beyond == EXACT]))


def _numbers(values: FloatArray, marks: frozenset[str]) -> Understood | NotLabels:
    infinite = np.abs(values) >= 1e150
    share = infinite.sum() / max(1, int((~np.isnan(values)).sum()))
    if share > 1 - _READABLE_SHARE:
        return NotLabels("infinite numbers", int(np.flatnonzero(infinite)[0]), "inf")
    said = (f"{int(infinite.sum())} infinite numbers count as missing",) if infinite.any() else ()
    values[infinite] = np.nan
    values = _without_marks(values, marks)
    if np.isnan(values).all():
        return NotLabels("empty")
    return Understood(values, np.zeros(len(values), dtype=np.int8), "", said, suspicions(values))


def _without_marks(values: FloatArray, marks: frozenset[str]) -> FloatArray:
    for mark in marks:
        cell = parse_cell(mark)
        number = None if cell is None else value_of(cell.number, "point")
        if number is not None:
            values[values == number] = np.nan
    return values


def _left_out(cells: Texts, codes: Sequence[int], reason: str) -> NotLabels:
    place, code = min((cells.first(code), code) for code in codes)
    return NotLabels(reason, place, cells.distinct[code])


def _text(cells: Texts, unreadable: Sequence[int], bad: int, total: int) -> NotLabels:
    words = [cells.distinct[code] for code in unreadable]
    if bad == total and 2 <= len(words) <= 5 and total > len(words):
        named = ", ".join(repr(word[:30]) for word in sorted(words))
        return _left_out(
            cells, unreadable, f"{len(words)} different texts ({named}): write classes as 1 and 0"
        )
    what = "text" if bad == total else f"{bad} of {total} cells are no numbers"
    return _left_out(cells, unreadable, what)


def _mixed_units(
    cells: Texts, parsed: dict[int, Cell], values: dict[int, float], units: Counter[str]
) -> NotLabels:
    rarest = min(units, key=lambda unit: (units[unit], unit))
    named = " and ".join(
        f"{unit!r} ({count})" if unit else f"none ({count})" for unit, count in units.most_common(4)
    )
    return _left_out(
        cells,
        [code for code in values if parsed[code].unit == rarest],
        f"cells differ in their unit: {named}",
    )


def _conversions(
    cells: Texts,
    parsed: dict[int, Cell],
    values: dict[int, float],
    counts: list[int],
    convention: str,
    unreadable: Sequence[int],
) -> tuple[str, ...]:
    def count(codes: Sequence[int]) -> int:
        return sum(counts[code] for code in codes)

    said = []
    commas = count([code for code in values if "," in parsed[code].number])
    if commas:
        said.append(
            f"commas read as {'decimals' if convention == 'comma' else 'thousands'} in {commas} cells"
        )
    points = count([code for code in values if convention == "comma" and "." in parsed[code].number])
    if points:
        said.append(f"points read as thousands in {points} cells")
    errors = count([code for code in values if parsed[code].has_error])
    if errors:
        said.append(f"of a ± b, a was read ({errors} cells)")
    about = count([code for code in values if parsed[code].mark == "about"])
    if about:
        said.append(f"{about} cells marked as approximate read as exact")
    unit = next((parsed[code].unit for code in values if parsed[code].unit), "")
    if unit:
        said.append(f"the unit {unit!r} of every cell read as a unit")
    if unreadable:
        first = _left_out(cells, unreadable, "")
        said.append(
            f"{count(unreadable)} cells that are no numbers count as missing, first {first.text[:40]!r}"
        )
    return tuple(said)
