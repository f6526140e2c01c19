"""Whether the tasks of a table can be learnt and compared."""

from __future__ import annotations

import numpy as np

from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.data.table import MoleculeTable
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

MIN_LABELS = 20
# Rounding in a mean over repeats must not make a constant look like a measurement.
_ROUNDING = 1e-12


def check_tasks(table: MoleculeTable, focal: str, *, min_labels: int = MIN_LABELS) -> None:
    """Check that a study of these tasks makes sense.

    Raises:
        InputError: the focal task is not among them, there is no auxiliary, or a task has fewer than
            `min_labels` labels or always the same one.
    """
    if focal not in table.tasks:
        raise InputError(
            f"focal: expected one of the tasks {listed(table.tasks)}, got {focal!r}"
            f"{did_you_mean(focal, table.tasks) or '; only columns of numbers are tasks'}"
        )
    if len(table.tasks) < 2:
        raise InputError(f"tasks: expected at least two, got only {focal!r}; add an auxiliary")
    for task in table.tasks:
        labels = table.of(task).exact
        if len(labels) < min_labels:
            lost = f" and {len(table.skipped)} unreadable rows" if table.skipped else ""
            raise InputError(
                f"tasks: expected at least {min_labels} labels of {task!r}, got {len(labels)}{lost}; "
                "leave it out"
            )
        if is_constant(labels):
            raise InputError(
                f"tasks: expected different labels of {task!r}, got {labels[0]:g} in all; leave it out"
            )


def is_constant(labels: FloatArray) -> bool:
    """Whether labels [k], none missing, are all the same up to rounding; true of fewer than two.

    >>> is_constant(np.array([0.3, 0.1 + 0.2])), is_constant(np.array([0.0, 1e-9]))
    (True, False)
    """
    return len(labels) < 2 or bool(np.ptp(labels) <= _ROUNDING * np.abs(labels).max())
