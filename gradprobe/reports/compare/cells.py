"""A table of text, which HTML and terminal show alike, and its cells."""

from __future__ import annotations

from dataclasses import dataclass

from gradprobe.reports.compare.gradients import SplitSummary
from gradprobe.reports.kit.numbers import ABSENT, UNDEFINED, number
from gradprobe.reports.statistics.seeds import Estimate


@dataclass(frozen=True)
class Table:
    """Rows of text under `columns`; the first `names` columns hold names, the others numbers.

    `note` says what the numbers are; a `folded` table is background and may be hidden at first. A line
    break in a cell sets a mean apart from its range.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    names: int = 1
    folded: bool = False


def estimate_cell(estimate: Estimate | None) -> str:
    """A mean over seeds, with the lowest and the highest seed on a second line; a dash for None."""
    if estimate is None:
        return ABSENT
    if estimate.seeds < 2:
        return number(estimate.mean)
    return f"{number(estimate.mean)}\n{number(estimate.low)} to {number(estimate.high)}"


def mean_cell(found: SplitSummary | None, name: str) -> str:
    """A quantity's mean over steps and seeds; a dash where no step from 0 on was measured."""
    if found is None or not (found.mean[name].seeds or _is_undefined(found, name)):
        return ABSENT
    return estimate_cell(found.mean[name])


def start_and_end_cells(found: SplitSummary | None, name: str) -> tuple[str, str]:
    """A quantity before the first update and at the last measurement; dashes where not measured."""
    if found is None:
        return ABSENT, ABSENT
    undefined = UNDEFINED if _is_undefined(found, name) else ABSENT
    ends = (found.before[name], found.end[name])
    return (
        estimate_cell(ends[0]) if ends[0].seeds else undefined,
        estimate_cell(ends[1]) if ends[1].seeds else undefined,
    )


def _is_undefined(found: SplitSummary, name: str) -> bool:
    return any(quantity == name for quantity, _ in found.undefined)
