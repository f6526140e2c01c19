"""CAGrad: help the worst-off task most while staying near the mean gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.combination import resolution, rounding, squared_norm
from gradprobe.combiners.options import check_choice, check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.combiners.simplex import face_minimum, minimise_on_simplex
from gradprobe.geometry.gramian import BoolArray, FloatArray

Rescale = Literal["none", "1+c", "1+c^2", "1+lambda"]
SHRINK = 16.0  # how fast the search closes in on zero while it has no lower bound


@dataclass(frozen=True)
class CAGrad(PresentTaskCombiner):
    """max over d of min_i <g_i, d> with ||d - g_0|| <= c ||g_0|| (Liu et al. 2021; METHODS §2.4), exactly.

    g_0 is the mean gradient, not the focal one. The result d = g_0 + lambda g_w with
    lambda = c ||g_0|| / ||g_w|| is divided by `rescale`: `"none"` (the paper's Algorithm 1), `"1+c"`,
    `"1+c^2"` (the default, as in the authors' training scripts) or `"1+lambda"` (weights that sum to 1).
    c = 0 is averaging; from c = 1 on the paper's convergence guarantee is gone.

    Where the dual optimum is g_w = 0, d is undefined and the result is g_0, not rescaled; `solve_dual`
    says so. One task alone gets (1 + c) g over the rescale, not g.

    Raises:
        InputError: a negative c or an unknown rescale.
    """

    c: float = 0.4
    rescale: Rescale = "1+c^2"
    name: ClassVar[str] = "cagrad"

    def __post_init__(self) -> None:
        check_number("c", self.c, low=0.0)
        check_choice("rescale", self.rescale, get_args(Rescale))

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Weights [p]: 1/p + lambda w, over the rescale."""
        uniform = np.full(tasks.rows.size, 1.0 / tasks.rows.size)
        dual = solve_dual(tasks.gramian, self.c)
        if dual is None:
            return uniform
        divisor = {
            "none": 1.0,
            "1+c": 1.0 + self.c,
            "1+c^2": 1.0 + self.c**2,
            "1+lambda": 1.0 + dual.multiplier,
        }[self.rescale]
        return np.asarray((uniform + dual.multiplier * dual.weights) / divisor)


@dataclass(frozen=True, eq=False)
class DualOptimum:
    """The min player's weights w [p] on the simplex and lambda = c ||g_0|| / ||g_w||."""

    weights: FloatArray
    multiplier: float


def solve_dual(gramian: FloatArray, c: float) -> DualOptimum | None:
    """The w [p] minimising g_w . g_0 + c ||g_0|| ||g_w|| for a Gramian [p, p] of trace 1.

    None where there is no direction to follow: g_0 = 0, or c = 0, or the optimum is g_w = 0.

    Since ||g_w|| = min over tau > 0 of (||g_w||^2 / tau + tau) / 2, up to scale, w is also the
    shortest vector of the hull of {g_i + tau g_0} for the one tau with ||g_w|| = c ||g_0|| tau. For a
    given tau that is a quadratic over the simplex; ||g_w|| / tau falls as tau grows, and on one face of
    the simplex tau has a closed form. So a few exact solutions, bracketed, end at the exact optimum,
    whatever the scale.
    """
    count = gramian.shape[0]
    uniform = np.full(count, 1.0 / count)
    radius = c * math.sqrt(squared_norm(gramian, uniform))
    if radius == 0.0:
        return None
    pull = gramian @ uniform
    low, high = 0.0, math.sqrt(np.diagonal(gramian).max()) / radius
    tau = 1.0 / c
    weights = None
    while True:
        weights = minimise_on_simplex(gramian, tau * pull, weights)
        length = math.sqrt(squared_norm(gramian, weights))
        if length == 0.0:
            return None
        low, high = (tau, high) if length > radius * tau else (low, tau)
        met = abs(length**2 - (radius * tau) ** 2) <= resolution(gramian, weights)
        if met or high - low <= rounding(gramian) * high:
            return DualOptimum(weights, radius / length)
        tau = _next_tau(gramian, pull, weights > 0.0, radius, low, high)


def _next_tau(
    gramian: FloatArray, pull: FloatArray, face: BoolArray, radius: float, low: float, high: float
) -> float:
    """The root on the current face if the bracket holds it, else a point inside the bracket.

    On a face w = a + tau e and a G e = 0, so ||g_w||^2 = a G a + tau^2 e G e.
    """
    index = np.flatnonzero(face)
    block = gramian[np.ix_(index, index)]
    anchor = face_minimum(block, np.zeros(index.size))
    slope = face_minimum(block, pull[index], total=0.0)
    rest = radius**2 - float(slope @ block @ slope)
    if rest > 0.0:
        root = math.sqrt(max(float(anchor @ block @ anchor), 0.0) / rest)
        if low < root < high:
            return root
    return math.sqrt(low * high) if low > 0.0 else high / SHRINK
