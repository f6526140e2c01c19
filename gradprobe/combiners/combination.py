"""The length of a combination of gradients, as far as a float64 Gramian can tell."""

from __future__ import annotations

import numpy as np

from gradprobe.geometry.gramian import FloatArray


def rounding(gramian: FloatArray) -> float:
    """The relative error of sums over a Gramian [p, p]: 4 p eps."""
    return float(4.0 * gramian.shape[0] * np.finfo(np.float64).eps)


def squared_norm(gramian: FloatArray, weights: FloatArray) -> float:
    """Squared norm of `weights @ J` from the Gramian [p, p] of J; exactly 0 where rounding hides it.

    A combination whose terms cancel keeps dust of the order of eps times their lengths; dividing by
    that dust would give a direction that is not there.
    """
    square = float(weights @ gramian @ weights)
    reach = float(np.abs(weights) @ np.sqrt(np.diagonal(gramian)))
    return square if square > rounding(gramian) * reach**2 else 0.0
