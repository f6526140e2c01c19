"""MGDA: the shortest vector in the convex hull of the task gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.presence import PresentTasks
from gradprobe.combiners.simplex import shortest_in_hull
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class MGDA(PresentTaskCombiner):
    """The min-norm convex combination of the task gradients (Désidéri 2012), exactly.

    Gradients are not rescaled beforehand, so short ones get the weight. The update is zero wherever
    zero lies in the hull: with a zero gradient, with two antiparallel ones, and often with more tasks
    than directions. The update is unique even where the weights are not.
    """

    name: ClassVar[str] = "mgda"

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Non-negative weights [p] that sum to 1."""
        return shortest_in_hull(tasks.gramian)
