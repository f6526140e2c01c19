"""Spearman's rank correlation, with intervals from pieces of evidence drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray

LEVEL = 0.95
RESAMPLES = 2000


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


UNKNOWN = BootstrapInterval(np.nan, np.nan, np.nan)


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
