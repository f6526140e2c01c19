"""Columns of <, > and = beside columns of numbers, and columns of units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from gradprobe.data.columns.metadata import words_of
from gradprobe.data.columns.numbers import Mark, mark_of
from gradprobe.data.columns.texts import MISSING, Texts
from gradprobe.data.task_labels import ABOVE, BELOW, EXACT, Bounds
from gradprobe.geometry.gramian import BoolArray

_QUALIFIER_WORDS = re.compile(
    r"\b(qualifiers?|qual|modifiers?|mod|relations?|rel|operators?|op|prefix|sign|symbols?|censor(ed|ing|ship)?|inequality|flag|relationship)\b"
)
_FLAG_WORDS = re.compile(r"\bis censored\b")
_UNIT_WORDS = re.compile(r"\b(units?|uom)\b")
_VALUE_WORDS = re.compile(r"\b(values?|results?|measurements?|val|mean|median)\b")


# Words for <, > and =; taken for marks only in a column that is named like one of marks.
_WORDS: Mapping[str, Mark] = {
    **dict.fromkeys(("lt", "lte", "less than", "at most", "up to", "left"), "below"),
    **dict.fromkeys(("gt", "gte", "greater than", "more than", "at least", "right"), "above"),
    **dict.fromkeys(("eq", "equal", "equals", "equal to", "exact", "exactly", "uncensored", "no"), "exact"),
    **dict.fromkeys(("about", "approximately", "circa"), "about"),
}


def is_qualifiers(cells: Texts, name: str = "") -> bool:
    """Whether every cell that is not missing is a mark such as < or =, and one says more than "about".

    Words for marks, such as "greater than", count where the column is named like one of marks.
    """
    texts = [text for text in cells.distinct if text.lower() not in MISSING]
    marks = [mark_of(text) for text in texts]
    if None in marks and _QUALIFIER_WORDS.search(words_of(name)):
        marks = [_mark(text) for text in texts]
    return bool(marks) and None not in marks and set(marks) != {"about"}


def bounds_of(cells: Texts) -> Bounds:
    """The bounds [r] that marks stand for; a missing mark is exact."""
    sides = {"below": BELOW, "above": ABOVE}
    bounds = np.array([sides.get(_mark(text) or "", EXACT) for text in cells.distinct], dtype=np.int8)
    return np.asarray(bounds[cells.codes])


def is_censoring_flag(name: str) -> bool:
    """Whether a column is named like one that only says which labels are bounds.

    >>> is_censoring_flag("y censored"), is_censoring_flag("is_censored"), is_censoring_flag("y flag")
    (True, True, False)
    """
    return re.search(r"\bcensor(ed|ing|ship)?\b", words_of(name)) is not None


def is_named_after(name: str, other: str) -> bool:
    """Whether a column of marks carries the words of another's name, or is named for a value as that is."""
    return _stem(name) == _stem(other)


def is_units(name: str) -> bool:
    """Whether a column is named like one that holds units."""
    return _UNIT_WORDS.search(words_of(name)) is not None


def partner_of(place: int, names: Sequence[str], candidates: Sequence[int]) -> int | None:
    """The column of numbers that a column of marks or units at `place` speaks of, or None where none fits.

    By name ("KSOL modifier" and "KSOL", "Standard Relation" and "Standard Value"); otherwise the next
    column on the right, then on the left, if that holds numbers; otherwise the only one there is.
    """
    stem = _stem(names[place])
    if stem:
        by_name = [other for other in candidates if _stem(names[other]) == stem]
        if len(by_name) == 1:
            return by_name[0]
        exact = [other for other in by_name if words_of(names[other]) in (stem, f"{stem} value")]
        if exact:
            return exact[0]
    for neighbour in (place + 1, place - 1):
        if neighbour in candidates:
            return neighbour
    return candidates[0] if len(candidates) == 1 else None


def mixed_units(cells: Texts, labelled: BoolArray) -> Mapping[str, int]:
    """How often each unit stands beside a label, where there is more than one; missing units count as one."""
    rows = cells.codes[labelled]
    counts = {text: int((rows == code).sum()) for code, text in enumerate(cells.distinct)}
    found = {("none" if text.lower() in MISSING else text): count for text, count in counts.items() if count}
    return found if len(found) > 1 else {}


def single_unit(cells: Texts, labelled: BoolArray) -> str:
    """The one unit beside all labels, or nothing."""
    found = {cells.distinct[code] for code in np.unique(cells.codes[labelled])} if cells.distinct else set()
    unit = next(iter(found)) if len(found) == 1 else ""
    return "" if unit.lower() in MISSING else unit


def _mark(text: str) -> Mark | None:
    return mark_of(text) or _WORDS.get(text.lower())


def _stem(name: str) -> str:
    """The words of a name that say what was measured."""
    words = words_of(name)
    for pattern in (_FLAG_WORDS, _QUALIFIER_WORDS, _UNIT_WORDS, _VALUE_WORDS):
        words = pattern.sub(" ", words)
    return re.sub(r"\s+", " ", words).strip()
