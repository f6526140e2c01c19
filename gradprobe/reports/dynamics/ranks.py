"""Rank correlations over graphs, with intervals from graphs drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gradprobe.geometry import FloatArray

LEVEL = 0.95
RESAMPLES = 2000
FEWEST_GRAPHS = 6


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation over `graphs` graphs with its 95 % bootstrap interval.

    NaN where undefined; `reason` says why.
    """

    value: float
    low: float
    high: float
    graphs: int
    reason: str = ""


def rank_correlation(
    first: Sequence[float], second: Sequence[float], *, fewest: int = FEWEST_GRAPHS, seed: int = 0
) -> RankCorrelation:
    """The correlation of two numbers a graph; graphs where either is NaN are left out.

    >>> rank_correlation([1, 2, 3, 4, 5, 6], [1, 4, 9, 16, 25, 36]).value
    1.0
    """
    values = np.array([first, second], dtype=np.float64).T.reshape(-1, 2)
    values = values[~np.isnan(values).any(axis=1)]
    count = len(values)
    if count < fewest:
        return RankCorrelation(np.nan, np.nan, np.nan, count, f"fewer than {fewest} graphs have both")
    found = float(spearman(values[:, 0], values[:, 1]))
    if np.isnan(found):
        return RankCorrelation(np.nan, np.nan, np.nan, count, "one of the two is the same for all graphs")
    generator = np.random.default_rng(seed)
    drawn = values[generator.integers(count, size=(RESAMPLES, count))]
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.nanquantile(spearman(drawn[..., 0], drawn[..., 1]), tails)
    return RankCorrelation(found, float(low), float(high), count)


def spearman(first: FloatArray, second: FloatArray) -> FloatArray:
    """Spearman's rank correlation [...] of values [..., n], ties at their mean rank; NaN for a constant."""
    a, b = (rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (first, second))
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    product = np.divide((a * b).sum(axis=-1), size, out=np.full(size.shape, np.nan), where=size > 0)
    return np.asarray(np.clip(product, -1.0, 1.0))
