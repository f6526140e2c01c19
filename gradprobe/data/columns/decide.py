"""Every column of a table: used as labels, or left out with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradprobe.data.columns.decision import ColumnDecision
from gradprobe.data.columns.metadata import (
    looks_like_an_identifier,
    metadata_by_content,
    metadata_by_digits,
    metadata_by_name,
)
from gradprobe.data.columns.qualifiers import (
    bounds_of,
    is_censoring_flag,
    is_named_after,
    is_qualifiers,
    is_units,
    mixed_units,
    partner_of,
    single_unit,
)
from gradprobe.data.columns.texts import Texts, texts_of
from gradprobe.data.columns.understand import NotLabels, Understood, understand
from gradprobe.data.formats.raw import RawTable
from gradprobe.data.task_labels import EXACT
from gradprobe.geometry.gramian import BoolArray


@dataclass(frozen=True, eq=False)
class Columns:
    """The labels of a table's columns by name, and what was decided of every column, in their order.

    `presence` [r, c] says where the cells of each column beside the SMILES are not missing, before anything
    is understood: what a split may depend on.
    """

    labels: Mapping[str, Understood]
    decisions: tuple[ColumnDecision, ...]
    presence: tuple[BoolArray, ...]
    texts: Mapping[str, Texts] = field(default_factory=dict)


def read_columns(
    table: RawTable,
    smiles: int,
    *,
    wanted: Sequence[str] = (),
    missing: Sequence[str] = (),
    classes: Sequence[str] = (),
    exclude: Sequence[str] = (),
    split_column: str | None = None,
) -> Columns:
    """Decide on every column of a table whose column of SMILES stands at `smiles`.

    `wanted` columns are used even if their names or contents look like metadata. Of two columns of one name
    with the same cells the first is used; with different cells, neither.
    """
    reader = _Reader(
        table, smiles, frozenset(wanted), tuple(missing), frozenset(classes), frozenset(exclude), split_column
    )
    return reader.read()


@dataclass(eq=False)
class _Reader:
    table: RawTable
    smiles: int
    wanted: frozenset[str]
    missing: tuple[str, ...]
    classes: frozenset[str]
    exclude: frozenset[str]
    split_column: str | None
    labels: dict[int, Understood] = field(default_factory=dict)
    decided: dict[int, ColumnDecision] = field(default_factory=dict)
    qualifiers: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    units: list[int] = field(default_factory=list)

    def read(self) -> Columns:
        self.counts = Counter(self.table.names)
        self.texts = [texts_of(column) for column in self.table.columns]
        for place, name in enumerate(self.table.names):
            self._decide(place, name)
        self._pair_qualifiers()
        self._pair_flags()
        self._pair_units()
        self._note_copies()
        for place, found in self.labels.items():
            self.decided[place] = replace(
                self.decided[place], unit=found.unit, conversions=found.conversions, warnings=found.warnings
            )
        used = [place for place in sorted(self.labels) if self.decided[place].role == "task"]
        return Columns(
            labels={self.table.names[place]: self.labels[place] for place in used},
            decisions=tuple(self.decided[place] for place in sorted(self.decided)),
            presence=tuple(texts.present() for place, texts in enumerate(self.texts) if place != self.smiles),
            texts={
                name: self.texts[place]
                for place, name in enumerate(self.table.names)
                if name == self.split_column
            },
        )

    def _decide(self, place: int, name: str) -> None:
        cells = self.texts[place]
        if place == self.smiles:
            self._say(place, "SMILES")
        elif name == self.split_column:
            self._say(place, "split")
        elif not cells.present().any():
            self._leave(place, "empty")
        elif name in self.exclude:
            self._leave(place, "excluded by --exclude")
        elif cells.numbers is None and is_qualifiers(cells, name):
            # Exports repeat "Prefix" and "Unit" beside each endpoint: these belong to their neighbours.
            self.qualifiers.append(place)
        elif is_censoring_flag(name) and name not in self.wanted:
            self.flags.append(place)
        elif is_units(name) and name not in self.wanted and isinstance(self._understand(place), NotLabels):
            self.units.append(place)
        elif self._is_repeat(place, name):
            pass
        else:
            self._decide_labels(place, name)

    def _decide_labels(self, place: int, name: str) -> None:
        named = "" if name in self.wanted else metadata_by_name(name, self.table.names)
        if named:
            self._leave(place, named, self._example(place))
            return
        found = self._understand(place)
        if isinstance(found, NotLabels):
            shown = (
                "" if found.place is None else f"{found.text[:60]!r} in row {self.table.rows[found.place]}"
            )
            self._leave(place, found.reason, shown)
            return
        counted = (
            ""
            if name in self.wanted
            else (metadata_by_content(found.values) or metadata_by_digits(found.values))
        )
        if counted:
            self._leave(place, counted, self._example(place))
            return
        if name in self.classes:
            found = _as_classes(found)
        if looks_like_an_identifier(found.values):
            found = replace(
                found,
                warnings=(
                    *found.warnings,
                    "its numbers are all whole, large and different, like those of a registry",
                ),
            )
        self.labels[place] = found
        self._say(place, "task")

    def _understand(self, place: int) -> Understood | NotLabels:
        return understand(
            self.texts[place], missing=self.missing, decimal_comma_file=self.table.decimal_comma
        )

    def _is_repeat(self, place: int, name: str) -> bool:
        """Whether a column's name is another's too; the decision is taken."""
        if self.counts[name] == 1:
            return False
        places = self.table.places(name)
        if not all(_same(self.texts[places[0]], self.texts[other]) for other in places[1:]):
            self._leave(
                place,
                f"{len(places)} columns have this name and different cells: rename them",
                self._example(place),
            )
            return True
        if place == places[0]:
            return False
        self._leave(
            place, f"a copy of the column of the same name (column {places[0] + 1})", self._example(place)
        )
        return True

    def _pair_qualifiers(self) -> None:
        for place in self.qualifiers:
            partner = partner_of(place, self.table.names, sorted(self.labels))
            if partner is None:
                self._leave(
                    place, "marks such as < and >, but of no column that is used", self._example(place)
                )
                for other, found in self.labels.items():
                    self.labels[other] = replace(
                        found,
                        warnings=(
                            *found.warnings,
                            f"the marks in {self.table.names[place]!r} may belong here; they were not used",
                        ),
                    )
                continue
            self._note_neighbour(place, partner)
            found, beyond = self.labels[partner], bounds_of(self.texts[place])
            beyond = np.where(np.isnan(found.values), EXACT, beyond).astype(np.int8)
            own = np.where(found.bounds == EXACT, beyond, found.bounds).astype(np.int8)
            said = (
                f"{int((own != EXACT).sum())} labels are bounds by the marks in {self.table.names[place]!r}",
            )
            self.labels[partner] = replace(
                found, bounds=own, conversions=found.conversions + (said if (own != EXACT).any() else ())
            )
            self.decided[place] = ColumnDecision(
                self.table.names[place],
                "qualifiers",
                conversions=(f"marks of {self.table.names[partner]!r}",),
            )

    def _pair_flags(self) -> None:
        """Columns of 0 and 1 that say which labels are bounds, but not on which side: these labels go."""
        for place in self.flags:
            flagged = self._understand(place)
            candidates = sorted(set(self.labels) - set(self.flags))
            partner = partner_of(place, self.table.names, candidates)
            self._leave(place, "says which labels are bounds", self._example(place))
            if partner is None or isinstance(flagged, NotLabels):
                for other in candidates:
                    said = f"{self.table.names[place]!r} may say that some labels are bounds; it was not used"
                    found = self.labels[other]
                    self.labels[other] = replace(found, warnings=(*found.warnings, said))
                continue
            found = self.labels[partner]
            gone = (flagged.values == 1.0) & ~np.isnan(found.values) & (found.bounds == EXACT)
            if gone.any():
                said = f"{int(gone.sum())} labels left out that {self.table.names[place]!r} marks as bounds"
                self.labels[partner] = replace(
                    found,
                    values=np.where(gone, np.nan, found.values),
                    conversions=(*found.conversions, f"{said}, without their side"),
                )

    def _note_neighbour(self, place: int, partner: int) -> None:
        """Marks between two columns of numbers, named after neither, may belong to the left one."""
        left, names = place - 1, self.table.names
        if partner != place + 1 or left not in self.labels or left - 1 in self.qualifiers:
            return
        if is_named_after(names[place], names[partner]):
            return
        said = f"the marks in {names[place]!r} were taken for {names[partner]!r}, on their right; if they "
        said += f"belong to {names[left]!r}, name them after it"
        for one in (left, partner):
            self.labels[one] = replace(self.labels[one], warnings=(*self.labels[one].warnings, said))

    def _pair_units(self) -> None:
        for place in self.units:
            partner = partner_of(place, self.table.names, sorted(self.labels))
            self._leave(
                place,
                "units" if partner is None else f"units of {self.table.names[partner]!r}",
                self._example(place),
            )
            if partner is None:
                continue
            labelled = ~np.isnan(self.labels[partner].values)
            mixed = mixed_units(self.texts[place], labelled)
            if mixed:
                named = ", ".join(
                    f"{unit} ({count})"
                    for unit, count in sorted(mixed.items(), key=lambda item: -item[1])[:5]
                )
                self._leave(
                    partner,
                    f"its labels differ in their unit by {self.table.names[place]!r}: {named}",
                )
                del self.labels[partner]
            else:
                unit = single_unit(self.texts[place], labelled)
                self.labels[partner] = replace(self.labels[partner], unit=unit or self.labels[partner].unit)

    def _note_copies(self) -> None:
        """Columns of other names whose labels are all those of an earlier one."""
        seen: dict[bytes, int] = {}
        for place in sorted(self.labels):
            found = self.labels[place]
            key = np.where(np.isnan(found.values), np.nan, found.values).tobytes() + found.bounds.tobytes()
            first = seen.setdefault(key, place)
            if first == place:
                continue
            name, original = self.table.names[place], self.table.names[first]
            if name in self.wanted:
                self.labels[place] = replace(found, warnings=(*found.warnings, f"a copy of {original!r}"))
            else:
                self._leave(place, f"a copy of {original!r}", self._example(place))
                del self.labels[place]

    def _example(self, place: int) -> str:
        present = np.flatnonzero(self.texts[place].present())
        if not present.size:
            return ""
        cell = self.table.columns[place][present[0]]
        shown = f"{cell:g}" if isinstance(cell, float) else repr(str(cell)[:60])
        return f"{shown} in row {self.table.rows[present[0]]}"

    def _leave(self, place: int, reason: str, example: str = "") -> None:
        self.decided[place] = ColumnDecision(
            _named(self.table.names[place], place), "left out", reason, example
        )

    def _say(self, place: int, role: str) -> None:
        self.decided[place] = ColumnDecision(self.table.names[place], role)  # type: ignore[arg-type]


def _named(name: str, place: int) -> str:
    return name or f"(column {place + 1}, without a name)"


def _same(one: Texts, other: Texts) -> bool:
    if one.numbers is not None and other.numbers is not None:
        return np.array_equal(one.numbers, other.numbers, equal_nan=True)
    return one.distinct == other.distinct and np.array_equal(one.codes, other.codes)


def _as_classes(found: Understood) -> Understood:
    values = np.unique(found.values[~np.isnan(found.values)])
    if len(values) != 2 or (found.bounds != EXACT).any():
        return replace(found, warnings=(*found.warnings, f"--classes needs two values, got {len(values)}"))
    classes = np.where(np.isnan(found.values), np.nan, (found.values == values[1]).astype(np.float64))
    said = f"{values[0]:g} read as 0, {values[1]:g} as 1"
    return replace(found, values=classes, conversions=(*found.conversions, said), warnings=())
