"""The order in which the axis `auxiliaries` counts a study's auxiliaries."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gradprobe.data import MoleculeTable
from gradprobe.data.task_labels import EXACT, TaskLabels
from gradprobe.geometry import FloatArray
from gradprobe.records.compare import Kinship

Order = Literal["given", "relatedness", "size"]
# Fewer molecules say little about a correlation.
FEWEST_SHARED = 20


def kinships(table: MoleculeTable) -> tuple[Kinship, ...]:
    """What each auxiliary has in common with the focal task, the table's first; in the table's order.

    All labels count, those of test molecules too: this orders an axis, it chooses no auxiliaries.
    """
    focal = _exact(table.of(table.tasks[0]))
    return tuple(_kinship(task, focal, _exact(table.of(task))) for task in table.tasks[1:])


def ordered(table: MoleculeTable, order: Order) -> MoleculeTable:
    """The table with its auxiliaries in that order, behind the focal task; ties stay as they were.

    `size`: most labels first. `relatedness`: largest absolute rank correlation with the focal task over
    shared molecules first; then those with fewer than `FEWEST_SHARED` shared molecules, most shared first.
    """
    if order == "given":
        return table
    found = kinships(table)
    if order == "size":
        chosen = sorted(found, key=lambda kin: -kin.labels)
    else:
        chosen = sorted(found, key=_least_related_last)
    return table.select((table.tasks[0], *(kin.task for kin in chosen)))


def _least_related_last(kin: Kinship) -> tuple[bool, float, int]:
    strength = 0.0 if kin.correlation is None else abs(kin.correlation)
    return kin.correlation is None, -strength, -kin.shared


def _exact(own: TaskLabels) -> dict[int, float]:
    measured = own.bounds == EXACT
    return dict(zip(own.rows[measured].tolist(), own.values[measured].tolist(), strict=True))


def _kinship(task: str, focal: dict[int, float], own: dict[int, float]) -> Kinship:
    shared = sorted(focal.keys() & own.keys())
    pairs = np.array([[focal[row], own[row]] for row in shared], dtype=np.float64).reshape(-1, 2)
    return Kinship(task=task, labels=len(own), shared=len(shared), correlation=_correlation(pairs))


def _correlation(pairs: FloatArray) -> float | None:
    from scipy.stats import spearmanr

    if len(pairs) < FEWEST_SHARED or (pairs == pairs[0]).all(axis=0).any():
        return None
    return float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)
