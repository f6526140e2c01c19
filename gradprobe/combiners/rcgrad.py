"""RCGrad: auxiliaries lose what conflicts with the focal gradient, which stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradprobe.combiners.average import average_weights
from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.presence import PresentTasks
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class RCGrad(PresentTaskCombiner):
    """Project conflicting auxiliaries orthogonal to the focal gradient, then average.

    The update never opposes the focal gradient: <u, g_0> >= ||g_0||^2 / p. Conflicts among the
    auxiliaries are left alone. A zero focal gradient projects nothing; a missing focal task leaves
    the average of the present ones.

    This is the anchored PCGrad of Fooladi (2026), not the method of Dey & Ning (2024) under the
    same name: theirs makes the same projection, then scales each auxiliary by learned weights.
    """

    name: ClassVar[str] = "rcgrad"

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """The average's weights [p], the focal one raised by what the projections take away."""
        weights = average_weights(tasks)
        if tasks.focal is None:
            return weights
        dots = tasks.gramian[tasks.focal]
        square = dots[tasks.focal]
        if square > 0.0:
            weights[tasks.focal] *= 1.0 - np.minimum(dots, 0.0).sum() / square
        return weights
