"""Spearman's rank correlation, with bootstrap intervals that draw independent units anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.geometry.intervals import LEVEL

RESAMPLES = 2000
FEWEST_UNITS = 6  # independent ones, below which nothing is said of a correlation


@dataclass(frozen=True)
class BootstrapInterval:
    """A number with its 95 % bootstrap interval; NaN where undefined."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


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


UNKNOWN = BootstrapInterval(np.nan, np.nan, np.nan)


def rank_correlation(
    first: Sequence[float], second: Sequence[float], *, fewest: int = FEWEST_UNITS, seed: int = 0
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
    drawn = spearman(values[:, 0], values[:, 1], redrawn(range(count), seed=seed))
    if np.isnan(drawn[0]):
        return RankCorrelation(np.nan, np.nan, np.nan, count, "one of the two is the same for all graphs")
    found = interval_of(drawn)
    return RankCorrelation(found.value, found.low, found.high, count)


def redrawn(cells: Sequence[int], *, seed: int) -> FloatArray:
    """How often each of r values counts, [1 + RESAMPLES, r]: once, then as often as its cell was drawn.

    Values of one cell, numbered from 0, are no independent pieces of evidence, so cells are drawn whole.
    """
    count = max(cells) + 1
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    times = np.zeros((RESAMPLES, count))
    np.add.at(times, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
    return np.vstack([np.ones(len(cells)), times[:, cells]])


def spearman(first: FloatArray, second: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Rank correlations [k] of values [r] that count as often as weights [k, r] say; None: each once.

    Ties stand at their mean rank; NaN where one side is constant.
    """
    counts = np.ones((1, len(first))) if weights is None else weights
    ranks = [_ranks(values, counts) for values in (first, second)]
    products = [(counts * ranks[i] * ranks[j]).sum(axis=1) for i, j in ((0, 1), (0, 0), (1, 1))]
    size = np.sqrt(products[1] * products[2])
    constant = np.full(len(counts), np.nan)
    return np.asarray(np.clip(np.divide(products[0], size, out=constant, where=size > 1e-9), -1.0, 1.0))


def interval_of(drawn: FloatArray) -> BootstrapInterval:
    """The value, which comes first in `drawn` [1 + RESAMPLES], between the quantiles of the others."""
    low, high = np.nanquantile(drawn[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return BootstrapInterval(float(drawn[0]), float(low), float(high))


def _ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean ranks [k, r], counted from their mean."""
    _, level = np.unique(values, return_inverse=True)
    at_level = weights @ (level[:, None] == np.arange(level.max() + 1))
    upper = np.cumsum(at_level, axis=1)
    return np.asarray((upper - at_level / 2 - upper[:, -1:] / 2)[:, level])
