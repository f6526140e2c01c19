"""Missing tasks drop out before combining: a task without labels is not a task with a zero gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray

ASYMMETRY = 1e-6  # of the product of the two norms; float64 sums in another order stay far below


@dataclass(frozen=True, eq=False)
class PresentTasks:
    """The p tasks present in a batch, out of `size`.

    `gramian` [p, p] holds their rows, divided by the trace; `focal` is the focal task's row among
    them, None where it is missing; `rows` [p] are their rows in the full Gramian.
    """

    gramian: FloatArray
    focal: int | None
    rows: npt.NDArray[np.intp]
    size: int

    def spread(self, weights: FloatArray) -> FloatArray:
        """Weights [m] of all tasks from those [p] of the present ones: zero for the missing."""
        full = np.zeros(self.size)
        full[self.rows] = weights
        return full


def present_tasks(gramian: FloatArray, *, focal: int, present: BoolArray | None) -> PresentTasks:
    """The present rows of a Gramian [m, m], checked and divided by their trace.

    Values of missing tasks are not looked at. If every gradient is zero there is nothing to divide by
    and the Gramian stays zero.

    Raises:
        InputError: the present rows are no finite, symmetric Gramian; `focal` is no row; `present`
            does not fit or leaves no task.
    """
    matrix = np.asarray(gramian, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(f"gramian: expected a square matrix [tasks, tasks], got shape {matrix.shape}")
    size = matrix.shape[0]
    if not 0 <= focal < size:
        raise InputError(f"focal: expected a row between 0 and {size - 1}, got {focal}")
    rows = np.flatnonzero(_mask(present, size))
    matrix = matrix[np.ix_(rows, rows)]
    _check_values(matrix, rows)
    matrix = 0.5 * (matrix + matrix.T)
    trace = float(np.trace(matrix))
    if trace > 0.0:
        matrix = matrix / trace
    place = np.flatnonzero(rows == focal)
    return PresentTasks(matrix, int(place[0]) if place.size else None, rows, size)


def _mask(present: BoolArray | None, size: int) -> BoolArray:
    if present is None:
        return np.ones(size, dtype=np.bool_)
    mask = np.asarray(present)
    if mask.dtype != np.bool_ or mask.shape != (size,):
        raise InputError(
            f"present: expected {size} booleans, one a task, got {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any():
        raise InputError("present: expected at least one present task, got none; skip the step instead")
    return mask


def _check_values(matrix: FloatArray, rows: npt.NDArray[np.intp]) -> None:
    """Refuse what no gradients can have produced; a NaN gradient is a broken step, not a missing task."""
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise InputError(
            f"gramian: expected finite values, got NaN or infinity in rows {rows[~finite].tolist()}; "
            "skip the step, or mark a task without labels as not present"
        )
    squares = np.diagonal(matrix)
    if (squares < 0.0).any():
        raise InputError(
            f"gramian: expected squared norms on the diagonal, got negative ones in rows "
            f"{rows[squares < 0.0].tolist()}"
        )
    if squares.max() > np.finfo(np.float64).max / squares.size:
        raise InputError("gramian: expected a finite trace, got one that overflows; scale the losses down")
    lengths = np.sqrt(squares)
    if (np.abs(matrix - matrix.T) > ASYMMETRY * np.outer(lengths, lengths)).any():
        raise InputError("gramian: expected a symmetric matrix, got one that differs from its transpose")
