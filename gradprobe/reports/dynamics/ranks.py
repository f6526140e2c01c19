"""Rank correlations over graphs, with intervals from graphs drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.reports.statistics.ranks import interval_of, redrawn, spearman

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
    drawn = spearman(values[:, 0], values[:, 1], redrawn(range(count), seed=seed))
    if np.isnan(drawn[0]):
        return RankCorrelation(np.nan, np.nan, np.nan, count, "one of the two is the same for all graphs")
    found = interval_of(drawn)
    return RankCorrelation(found.value, found.low, found.high, count)
