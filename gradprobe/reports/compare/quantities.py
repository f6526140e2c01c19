"""Quantities of gradients in the cells of tables: their names, and how undefined and absent differ."""

from __future__ import annotations

from collections.abc import Mapping

from gradprobe.reports.compare.gradients import SplitSummary
from gradprobe.reports.kit.numbers import ABSENT, UNDEFINED, cell

QUANTITY_NAMES: Mapping[str, str] = {
    "cosine": "focal–auxiliary cosine",
    "norm_ratio": "norm ratio",
    "overlap": "gradient overlap",
    "conflict_energy": "conflict energy",
    "conflict_energy_per_pair": "conflict energy per pair",
    "negative_fraction": "negative fraction",
    "negative_mass": "negative mass",
}


def mean_cell(found: SplitSummary | None, name: str) -> str:
    """A quantity's mean over steps and seeds; a dash where no step from 0 on was measured."""
    if found is None or not (found.mean[name].seeds or _is_undefined(found, name)):
        return ABSENT
    return cell(found.mean[name])


def start_and_end_cells(found: SplitSummary | None, name: str) -> tuple[str, str]:
    """A quantity before the first update and at the last measurement; dashes where not measured."""
    if found is None:
        return ABSENT, ABSENT
    missing = UNDEFINED if _is_undefined(found, name) else ABSENT
    start, end = found.before[name], found.end[name]
    return cell(start) if start.seeds else missing, cell(end) if end.seeds else missing


def _is_undefined(found: SplitSummary, name: str) -> bool:
    return any(quantity == name for quantity, _ in found.undefined)
