"""Tasks that are nearly the same: correlations on the molecules that carry both."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from gradprobe.data.table import MoleculeTable
from gradprobe.data.task_labels import EXACT, TaskLabels
from gradprobe.geometry.gramian import FloatArray

LEAST_SHARED = 10
NEAR = 0.999
# All pairs of more tasks than this take long; then each is compared with the focal task only.
_MOST_PAIRED = 60


def correlation(one: TaskLabels, other: TaskLabels) -> tuple[int, float | None]:
    """The molecules with a measured label of both tasks, and Pearson's correlation there.

    None with fewer than ten molecules, or where one of the tasks does not vary on them.
    """
    first, second = shared_labels(one, other)
    if len(first) < LEAST_SHARED or np.ptp(first) == 0 or np.ptp(second) == 0:
        return len(first), None
    return len(first), float(np.corrcoef(first, second)[0, 1])


def is_near_copy(one: TaskLabels, other: TaskLabels) -> float | None:
    """The correlation, of values or ranks, if its size is 0.999 or more on at least ten shared molecules."""
    first, second = shared_labels(one, other)
    if len(first) < LEAST_SHARED or min(len(np.unique(first)), len(np.unique(second))) < 2:
        return None
    values = float(np.corrcoef(first, second)[0, 1])
    ranks = float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
    best = max((values, ranks), key=abs)
    return best if abs(best) >= NEAR else None


def near_copies(table: MoleculeTable, focal: str) -> list[str]:
    """A warning for each pair of tasks that are nearly the same; of many tasks, for pairs with the focal."""
    tasks = table.tasks
    if len(tasks) <= _MOST_PAIRED:
        pairs = [(one, other) for place, one in enumerate(tasks) for other in tasks[place + 1 :]]
    else:
        pairs = [(focal, other) for other in tasks if focal and other != focal]
    said = []
    for one, other in pairs:
        near = is_near_copy(table.of(one), table.of(other))
        if near is not None:
            said.append(
                f"{one!r} and {other!r} are nearly the same (correlation {near:.4f} on shared molecules)"
            )
    return said


def shared_labels(one: TaskLabels, other: TaskLabels) -> tuple[FloatArray, FloatArray]:
    """The measured labels [s] of two tasks on the molecules that have both."""
    rows = np.intersect1d(
        one.rows[one.bounds == EXACT], other.rows[other.bounds == EXACT], assume_unique=True
    )
    return one.at(rows)[0], other.at(rows)[0]
