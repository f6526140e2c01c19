"""The labels of one task, kept for the molecules that have one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

IntArray = npt.NDArray[np.intp]
Bounds = npt.NDArray[np.int8]
BELOW, EXACT, ABOVE = -1, 0, 1


@dataclass(frozen=True, eq=False)
class TaskLabels:
    """Values [k] of k molecules, given by their rows [k] in the table, ascending.

    A bound [k] of 0 is a measured value, -1 one that the true value is at most (`<5`), 1 one that it is at
    least (`>5`). Memory grows with labels, not with molecules times tasks.
    """

    rows: IntArray
    values: FloatArray
    bounds: Bounds

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.values) == len(self.bounds):
            raise InputError(
                f"labels: expected as many values and bounds as rows, got {len(self.rows)} rows, "
                f"{len(self.values)} values, {len(self.bounds)} bounds"
            )

    @classmethod
    def from_dense(cls, values: FloatArray, bounds: Bounds | None = None) -> TaskLabels:
        """From a value [n] for each molecule, NaN where there is none."""
        rows = np.flatnonzero(~np.isnan(values))
        return cls(
            rows,
            np.asarray(values[rows], dtype=np.float64),
            np.zeros(len(rows), dtype=np.int8) if bounds is None else bounds[rows],
        )

    @property
    def exact(self) -> FloatArray:
        """The measured values alone."""
        return np.asarray(self.values[self.bounds == EXACT])

    @property
    def censored(self) -> int:
        """How many labels are bounds."""
        return int(np.count_nonzero(self.bounds))

    def dense(self, n: int) -> FloatArray:
        """A value [n] for each of n molecules, NaN where there is none."""
        values = np.full(n, np.nan)
        values[self.rows] = self.values
        return values

    def at(self, rows: IntArray) -> tuple[FloatArray, Bounds]:
        """The values [r] and bounds [r] of some molecules, NaN and 0 for those without a label."""
        if not len(self.rows):
            return np.full(len(rows), np.nan), np.zeros(len(rows), dtype=np.int8)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        there = self.rows[place] == rows
        return np.where(there, self.values[place], np.nan), np.where(there, self.bounds[place], 0).astype(
            np.int8
        )

    def among(self, kept: IntArray) -> TaskLabels:
        """The labels of the molecules `kept` (rows, ascending), numbered anew in their order."""
        chosen = np.isin(self.rows, kept, assume_unique=True)
        return TaskLabels(np.searchsorted(kept, self.rows[chosen]), self.values[chosen], self.bounds[chosen])

    def mapped(self, values: FloatArray) -> TaskLabels:
        """The same molecules and bounds with other values [k]."""
        return TaskLabels(self.rows, values, self.bounds)
