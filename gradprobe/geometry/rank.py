"""Effective rank: how many directions a representation spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class EffectiveRank:
    """Effective rank of a matrix as it is (`raw`) and after its column means are taken away (`centred`).

    Both are at most min(rows, width), so compare models at the same number of rows. NaN for a zero
    matrix, with the reason.
    """

    raw: float
    centred: float
    rows: int
    width: int
    reason: str = ""


def effective_rank(representation: FloatArray) -> EffectiveRank:
    """Effective rank exp(-sum p ln p), p = sigma / sum sigma, of a matrix [n, d] (Roy & Vetterli 2007).

    sigma are the singular values, not their squares; 0 ln 0 = 0.

    Raises:
        InputError: not a finite matrix.

    >>> round(effective_rank(np.eye(3)).raw, 9)
    3.0
    """
    matrix = np.asarray(representation, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise InputError(
            f"representation: expected a finite matrix [rows, width], got shape {matrix.shape}"
            + ("" if np.isfinite(matrix).all() else " with NaN or infinite entries")
        )
    sigma = _singular_values(matrix)
    sigma_centred = _singular_values(matrix - matrix.mean(axis=0, keepdims=True)) if matrix.size else sigma
    # Means are rounded, so equal rows leave dust of this size behind, not zeros.
    dust = max(matrix.shape) * np.finfo(np.float64).eps * sigma.max(initial=0.0)
    raw, centred = _entropy_rank(sigma, 0.0), _entropy_rank(sigma_centred, dust)
    reason = ""
    if np.isnan(raw):
        reason = "the representation is zero"
    elif np.isnan(centred):
        reason = "all rows of the representation are equal"
    return EffectiveRank(raw, centred, matrix.shape[0], matrix.shape[1], reason)


def _singular_values(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.svd(matrix, compute_uv=False)) if matrix.size else np.zeros(0)


def _entropy_rank(sigma: FloatArray, dust: float) -> float:
    if sigma.max(initial=0.0) <= dust:
        return float("nan")
    shares = sigma / sigma.sum()
    shares = shares[shares > 0.0]
    return float(np.exp(-np.sum(shares * np.log(shares))))
