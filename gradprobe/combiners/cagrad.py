"""CAGrad: help the worst-off task most while staying near the mean gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.combination import rounding, squared_norm
from gradprobe.combiners.options import check_choice, check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.combiners.simplex import face_minimum, shortest_in_hull
from gradprobe.geometry.gramian import BoolArray, FloatArray

Rescale = Literal["none", "1+c", "1+c^2", "1+lambda"]
SHRINK = 16.0  # how fast the search closes in on zero while it has no lower bound


@dataclass(frozen=True)
class CAGrad(PresentTaskCombiner):
    """max over d of min_i <g_i, d> with ||d - g_0|| <= c ||g_0|| (Liu et al. 2021), exactly.

    g_0 is the mean gradient, not the focal one. The result d = g_0 + lambda g_w with
    lambda = c ||g_0|| / ||g_w|| is divided by `rescale`: `"none"` (the paper's Algorithm 1), `"1+c"`,
    `"1+c^2"` (the default, as in the authors' training scripts) or `"1+lambda"` (weights that sum to 1).
    c = 0 is averaging; from c = 1 on the paper's convergence guarantee is gone.

    Where the dual optimum is g_w = 0 (always for c > 1 with zero inside the hull) there is no direction
    to add and the result is g_0, not rescaled; `solve_dual` returns None there. One task alone gets
    (1 + c) g over the rescale, not g.

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

    Since 2 ||g_w|| is the least of ||g_w||^2 / s + s over s > 0, w is also the shortest vector of the
    hull of {g_i + tau g_0}, for the one tau with ||g_w|| = c ||g_0|| tau. For a given tau that is an
    exact active-set problem; ||g_w|| / tau falls as tau grows; and on one face of the simplex the tau
    has a closed form. So the search is over faces, bracketed, and ends where a face has the tau that
    led to it: exact at any scale, with no tolerance on the objective.
    """
    count = gramian.shape[0]
    uniform = np.full(count, 1.0 / count)
    radius = c * math.sqrt(squared_norm(gramian, uniform))
    if radius == 0.0:
        return None
    low, high = 0.0, math.sqrt(np.diagonal(gramian).max()) / radius
    tau = 1.0 / c
    weights = None
    while tau > 0.0:
        weights = shortest_in_hull(gramian, tau * uniform, weights)
        length = math.sqrt(squared_norm(gramian, weights))
        if length == 0.0:
            return None
        low, high = (tau, high) if length > radius * tau else (low, tau)
        root = _tau_on_face(gramian, weights > 0.0, radius)
        if root == tau or high - low <= rounding(gramian) * high:
            return DualOptimum(weights, radius / length)
        if low < root < high or root == low == 0.0:
            tau = root
        else:
            tau = math.sqrt(low * high) if low > 0.0 else high / SHRINK
    return None


def _tau_on_face(gramian: FloatArray, face: BoolArray, radius: float) -> float:
    """The tau with ||g_w|| = radius tau if w stays on the face, infinite where there is none.

    On a face w = a + tau e, with a the shortest and a G e = 0, so ||g_w||^2 = a G a + tau^2 e G e. The
    result is 0 where g_a = 0, if the face holds all the way down to tau = 0 (a >= 0).
    """
    index = np.flatnonzero(face)
    block = gramian[np.ix_(index, index)]
    pull = gramian[index].mean(axis=1)
    shortest = _affine_shortest(block)
    change = face_minimum(block, pull, total=0.0)
    rest = radius**2 - float(change @ block @ change)
    if rest <= 0.0:
        return math.inf
    root = math.sqrt(squared_norm(block, shortest) / rest)
    holds = bool((shortest >= -rounding(gramian)).all())
    return root if root > 0.0 or holds else math.inf


def _affine_shortest(block: FloatArray) -> FloatArray:
    """The x [k] with sum 1 and any signs of the shortest x @ J, from the Gramian [k, k] of J."""
    zero = np.diagonal(block) == 0.0
    if zero.any():  # exactly the zero gradient: a solved system would leave dust on the others
        return np.asarray(zero / zero.sum())
    return face_minimum(block, np.zeros(zero.size))
