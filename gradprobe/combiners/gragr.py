"""GraGR on tasks: the paper's conflict projection and smoothing on the complete graph of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.combination import squared_norm
from gradprobe.combiners.options import check_choice, check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.geometry.gramian import FloatArray

First = Literal["projection", "smoothing"]


@dataclass(frozen=True)
class GraGR(PresentTaskCombiner):
    """Project each task gradient off the mean of the others, smooth over tasks, average.

    The paper lists itself among task combiners without defining it as one; this is our reading, on the
    complete graph of tasks:

    - eq. (3): g_i loses its part along the mean of the *other* tasks' gradients, only where the dot is
      negative; all at once, from the gradients before the step. A zero mean projects nothing.
    - eq. (4): (I + smoothing L) g' = g, solved exactly: g'_i = (g_i + smoothing p mean) / (1 + smoothing p).

    The exact smoothing keeps the mean, so after the projection, the paper's order, `smoothing` does
    not change the update at all; with `first="smoothing"` it decides how much conflict is left to
    project. All tasks count alike: the focal one has no privilege.

    Raises:
        InputError: a negative smoothing or an unknown first step.
    """

    smoothing: float = 1.0
    first: First = "projection"
    name: ClassVar[str] = "gragr"

    def __post_init__(self) -> None:
        check_number("smoothing", self.smoothing, low=0.0)
        check_choice("first", self.first, get_args(First))

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Mean over tasks of the coefficients of their projected and smoothed gradients."""
        rows = np.eye(tasks.rows.size)
        if self.first == "projection":
            rows = _smooth(_project(rows, tasks.gramian), self.smoothing)
        else:
            rows = _project(_smooth(rows, self.smoothing), tasks.gramian)
        return np.asarray(rows.mean(axis=0))


def _project(rows: FloatArray, gramian: FloatArray) -> FloatArray:
    """Coefficients [p, p] after eq. (3); row i of `rows` [p, p] holds those of vector i."""
    count = rows.shape[0]
    if count == 1:
        return rows
    contexts = (rows.sum(axis=0) - rows) / (count - 1)
    dots = np.einsum("ij,jk,ik->i", rows, gramian, contexts)
    squares = np.array([squared_norm(gramian, context) for context in contexts])
    conflicting = (dots < 0.0) & (squares > 0.0)
    projected = rows.copy()
    projected[conflicting] -= (dots[conflicting] / squares[conflicting])[:, None] * contexts[conflicting]
    return projected


def _smooth(rows: FloatArray, smoothing: float) -> FloatArray:
    """Coefficients [p, p] after eq. (4) on the complete graph."""
    pull = smoothing * rows.shape[0]
    return np.asarray((rows + pull * rows.mean(axis=0)) / (1.0 + pull))
