"""Averaging: what every other combiner is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.presence import PresentTasks
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class Average(PresentTaskCombiner):
    """The mean gradient of the present tasks: weight 1/p each.

    Every combiner here with a `mean` is on this scale, so learning rates are comparable.
    """

    name: ClassVar[str] = "average"
    needs_gramian: ClassVar[bool] = False

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Equal weights [p] that sum to 1."""
        return average_weights(tasks)


def average_weights(tasks: PresentTasks) -> FloatArray:
    """Equal weights [p] that sum to 1: also what focal-aware methods do without a focal gradient."""
    return np.full(tasks.rows.size, 1.0 / tasks.rows.size)
