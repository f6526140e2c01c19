"""The exact minimum of a convex quadratic over the simplex, by a primal active set (Wolfe 1976)."""

from __future__ import annotations

import numpy as np

from gradprobe.combiners.combination import rounding
from gradprobe.geometry.gramian import FloatArray


def minimise_on_simplex(
    gramian: FloatArray, linear: FloatArray, start: FloatArray | None = None
) -> FloatArray:
    """The weights w [p], w >= 0 with sum 1, that minimise w G w / 2 + b w for a Gramian G [p, p].

    `linear` b [p] must lie in the range of G. Exact to rounding: at the result every slope
    (G w + b)_i is at least their weighted mean, and equal to it where w_i > 0. Zero weights are exact.
    `start` is the result of a nearby problem.

    The walk goes from the minimum of one face to that of a better one, so it ends; a face seen twice
    means that only rounding is left to gain.
    """
    lengths = np.sqrt(np.diagonal(gramian))
    weights = _best_corner(gramian, linear) if start is None else start.copy()
    seen: set[bytes] = set()
    while True:
        weights = _descend_to_face_minimum(gramian, linear, weights)
        face = weights > 0.0
        slopes = gramian @ weights + linear
        reach = float(weights @ lengths)
        noise = rounding(gramian) * (lengths * reach + np.abs(linear) + weights @ np.abs(linear) + reach**2)
        gains = np.where(face, -np.inf, float(weights @ slopes) - slopes - noise)
        entering = int(np.argmax(gains))
        if gains[entering] <= 0.0 or face.tobytes() in seen:
            return weights
        seen.add(face.tobytes())
        weights = _descend_to_face_minimum(gramian, linear, weights, entering)


def face_minimum(gramian: FloatArray, linear: FloatArray, total: float = 1.0) -> FloatArray:
    """The x [k] with sum `total` and any signs that minimises x G x / 2 + b x, for G [k, k] and b [k].

    Solved in units of the gradients' lengths, so that short gradients keep their digits beside long ones.
    """
    count = linear.size
    lengths = np.sqrt(np.diagonal(gramian))
    unit = 1.0 / np.where(lengths > 0.0, lengths, 1.0)
    border = unit / unit.max()
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = gramian * np.outer(unit, unit)
    system[:count, count] = system[count, :count] = border
    right = np.append(-linear * unit, total / unit.max())
    return np.asarray(np.linalg.lstsq(system, right)[0][:count] * unit)


def _best_corner(gramian: FloatArray, linear: FloatArray) -> FloatArray:
    weights = np.zeros(linear.size)
    weights[np.argmin(0.5 * np.diagonal(gramian) + linear)] = 1.0
    return weights


def _descend_to_face_minimum(
    gramian: FloatArray, linear: FloatArray, weights: FloatArray, entering: int | None = None
) -> FloatArray:
    """Walk from `weights` [p] towards the minimum of their face, leaving behind the tasks that reach zero."""
    weights = weights.copy()
    face = weights > 0.0
    if entering is not None:
        face[entering] = True
    while True:
        index = np.flatnonzero(face)
        target = face_minimum(gramian[np.ix_(index, index)], linear[index])
        here = weights[index]
        falling = target <= 0.0
        if not falling.any():
            weights[index] = target / target.sum()
            return weights
        ratios = np.where(falling, here / np.where(falling, here - target, 1.0), np.inf)
        step = float(ratios.min())
        here = here + step * (target - here)
        here[ratios <= step] = 0.0
        weights[index] = here
        face[index[here <= 0.0]] = False
