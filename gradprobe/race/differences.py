"""Intervals of paired differences between an action and averaging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class Interval:
    """The mean of `pairs` differences and its interval; NaN where there are too few to say."""

    mean: float
    low: float
    high: float
    pairs: int


def paired_interval(differences: Sequence[float] | FloatArray, level: float = 0.05) -> Interval:
    """The two-sided t interval of the mean of paired differences at this level; NaN ones are left out.

    Differences that are all zero have an interval of that one value: training that an action does not touch
    differs by exactly nothing. Other equal differences, of a score with few possible values, have no spread
    to judge by, and an unbounded interval.

    >>> paired_interval([0.0, 0.0, 0.0])
    Interval(mean=0.0, low=0.0, high=0.0, pairs=3)
    """
    from scipy.special import stdtrit  # slow to import

    values = np.asarray(differences, dtype=np.float64)
    known = values[~np.isnan(values)]
    if known.size == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, np.nan, np.nan, 1)
    error = float(known.std(ddof=1) / np.sqrt(known.size))
    spread = np.inf if error == 0.0 and mean != 0.0 else error
    half = float(stdtrit(known.size - 1, 1.0 - level / 2.0)) * spread
    return Interval(mean, mean - half, mean + half, int(known.size))


def fresh_mean(differences: Sequence[float] | FloatArray, chosen_after: int, level: float = 0.05) -> Interval:
    """The winner's difference from pairs made after it was chosen, at the full level.

    The mean of the pairs that chose it is too large: the highest of several noisy means is high by chance
    too (the winner's curse).
    """
    return paired_interval(np.asarray(differences, dtype=np.float64)[chosen_after:], level)
