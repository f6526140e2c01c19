"""GRE and GRE+: the focal gradient, less what would raise the anchors' losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradprobe.combiners.average import average_weights
from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.combination import squared_norm
from gradprobe.combiners.halfspaces import halfspace_multipliers
from gradprobe.combiners.options import check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class GRE(PresentTaskCombiner):
    """Gradient rewiring with one anchor, the mean of the other gradients (Jiang et al. 2024).

    The focal gradient g_0 is the target's, and a = mean of the other present gradients the anchor:
    g = (g_0 + v a) / (1 + damping), v = max(0, -<g_0, a> / ||a||^2). So g is the nearest vector to g_0
    with <g, a> >= 0: a half-space, not the orthogonal complement of the paper's wording, and g_0 stays
    as it is where it does not oppose a. `damping` is the paper's lambda; it divides the step by
    1 + damping and changes nothing else.

    A step of plain gradient descent along g does not raise the anchor's loss, to first order; momentum,
    Adam and weight decay do not keep that. A zero anchor rewires nothing; a missing focal task leaves
    the average of the present ones.

    Raises:
        InputError: a negative damping.
    """

    damping: float = 0.0
    name: ClassVar[str] = "gre"

    def __post_init__(self) -> None:
        check_number("damping", self.damping, low=0.0)

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """1 for the target and v / k for each of the k anchors, divided by 1 + damping."""
        if tasks.focal is None:
            return average_weights(tasks)
        weights = np.zeros(tasks.rows.size)
        weights[tasks.focal] = 1.0
        mean = (1.0 - weights) / max(tasks.rows.size - 1, 1)
        square = squared_norm(tasks.gramian, mean)
        if square > 0.0:
            weights += max(0.0, -float(tasks.gramian[tasks.focal] @ mean) / square) * mean
        return weights / (1.0 + self.damping)


@dataclass(frozen=True)
class GREPlus(PresentTaskCombiner):
    """Gradient rewiring with every other gradient as an anchor (Jiang et al. 2024).

    g = (g_0 + sum_k v_k g_k) / (1 + damping) is the nearest vector to the focal g_0 with <g, g_k> >= 0 for
    all k, divided by 1 + damping. v >= 0 is exact for repeated, dependent and zero anchors too. With one
    anchor it is GRE. What `GRE` says about damping, first order and missing tasks holds here too.

    Raises:
        InputError: a negative damping.
    """

    damping: float = 0.0
    name: ClassVar[str] = "gre_plus"

    def __post_init__(self) -> None:
        check_number("damping", self.damping, low=0.0)

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """1 for the target and v for the anchors, divided by 1 + damping."""
        if tasks.focal is None:
            return average_weights(tasks)
        anchors = np.delete(np.arange(tasks.rows.size), tasks.focal)
        order = np.concatenate([[tasks.focal], anchors])
        weights = np.ones(tasks.rows.size)
        weights[anchors] = halfspace_multipliers(tasks.gramian[np.ix_(order, order)])
        return weights / (1.0 + self.damping)
