"""The shortest vector in the convex hull of gradients, by a primal active set (Wolfe 1976)."""

from __future__ import annotations

import numpy as np

from gradprobe.combiners.combination import rounding
from gradprobe.geometry.gramian import FloatArray


def shortest_in_hull(
    gramian: FloatArray, shift: FloatArray | None = None, start: FloatArray | None = None
) -> FloatArray:
    """The weights w [p], w >= 0 with sum 1, of the shortest vector (w + shift) @ J, from G = J J^T [p, p].

    `shift` [p] moves every gradient by the same combination of gradients before the search; `start` is
    the result of a nearby problem. Exact to rounding: at the result every slope (G (w + shift))_i is at
    least their weighted mean, and equal to it where w_i > 0. Zero weights are exact zeros.

    The walk goes from the minimum of one face of the simplex to that of a better one, so it ends; a
    face seen twice means that only rounding is left to gain.
    """
    lengths = np.sqrt(np.diagonal(gramian))
    shift = np.zeros(lengths.size) if shift is None else shift
    linear = gramian @ shift
    weights = _best_corner(gramian, linear) if start is None else start
    weights = _descend_to_face_minimum(gramian, linear, weights)
    seen: set[bytes] = set()
    while True:
        slopes = gramian @ (weights + shift)
        noise = rounding(gramian) * lengths * (lengths @ (weights + np.abs(shift)))
        gains = weights @ slopes - slopes - noise - weights @ noise
        face = weights > 0.0
        entering = int(np.argmax(np.where(face, -np.inf, gains)))
        if face[entering] or gains[entering] <= 0.0 or face.tobytes() in seen:
            return weights
        seen.add(face.tobytes())
        weights = _descend_to_face_minimum(gramian, linear, weights, entering)


def face_minimum(gramian: FloatArray, linear: FloatArray, total: float = 1.0) -> FloatArray:
    """The x [k] with sum `total` and any signs that minimises x G x / 2 + b x, for G [k, k] and b [k].

    b must be in the range of G.

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
        ratios = np.where(falling, here / np.where(here > target, here - target, 1.0), np.inf)
        step = float(ratios.min())
        here = here + step * (target - here)
        here[ratios <= step] = 0.0
        weights[index] = here
        face[index[here <= 0.0]] = False
