"""The vector nearest to one gradient that opposes none of some others (Lawson & Hanson 1974)."""

from __future__ import annotations

import numpy as np

from gradprobe.combiners.combination import rounding
from gradprobe.geometry.gramian import BoolArray, FloatArray


def halfspace_multipliers(gramian: FloatArray) -> FloatArray:
    """The v [k] >= 0 for which g = g_0 + sum_i v_i g_i is nearest to g_0 with <g, g_i> >= 0 for all i >= 1.

    `gramian` [1+k, 1+k] is that of [g_0; g_1 .. g_k]. v solves the non-negative least squares problem
    min ||g_0 + sum_i v_i g_i||, the dual of the projection onto the half-spaces, so v_i > 0 only where
    <g, g_i> = 0. Where g_0 opposes none, v is exactly zero: this is no projection onto an orthogonal
    complement. The g_i may be dependent, repeated or zero (v_i = 0); g is unique even where v is not.

    Exact to rounding. scipy's `nnls` is not used: where a dot product is zero but for rounding, its
    version 1.17 can return a point far from the minimum (docs/decisions/nnls.md).
    """
    lengths = np.sqrt(np.diagonal(gramian))
    multipliers = np.zeros(lengths.size - 1)
    rows = np.flatnonzero(lengths > 0.0)
    if lengths[0] == 0.0 or rows.size == 1:
        return multipliers
    unit = gramian[np.ix_(rows, rows)] / np.outer(lengths[rows], lengths[rows])
    anchors = rows[1:]
    multipliers[anchors - 1] = _least_squares(unit[1:, 1:], unit[0, 1:]) * (lengths[0] / lengths[anchors])
    return multipliers


def _least_squares(gramian: FloatArray, dots: FloatArray) -> FloatArray:
    """The v [k] >= 0 that minimises v G v / 2 + dots v, for unit vectors with products G [k, k].

    The walk goes from the minimum on one set of positive entries to a lower one on another, so it
    ends; an entry that was tried on the same set before has only rounding left to gain.
    """
    solution = np.zeros(dots.size)
    tried: set[tuple[bytes, int]] = set()
    while True:
        face = solution > 0.0
        falls = -(dots + gramian @ solution)
        falls[face] = 0.0
        for entry in np.argsort(-falls):
            noise = rounding(gramian) * (1.0 + solution.sum())
            if falls[entry] <= noise:
                return solution
            if (face.tobytes(), int(entry)) not in tried:
                tried.add((face.tobytes(), int(entry)))
                break
        else:
            return solution
        face[entry] = True
        solution = _descend(gramian, dots, solution, face)


def _descend(gramian: FloatArray, dots: FloatArray, start: FloatArray, face: BoolArray) -> FloatArray:
    """Walk from `start` [k] towards the minimum on `face` [k], leaving behind the entries that reach zero."""
    solution = start.copy()
    while True:
        index = np.flatnonzero(face)
        target = np.linalg.lstsq(gramian[np.ix_(index, index)], -dots[index])[0]
        here = solution[index]
        falling = target <= 0.0
        if not falling.any():
            solution[index] = target
            return solution
        ratios = np.where(falling, here / np.where(here > target, here - target, 1.0), np.inf)
        step = float(ratios.min())
        here = here + step * (target - here)
        here[ratios <= step] = 0.0
        solution[index] = here
        face[index[here <= 0.0]] = False
