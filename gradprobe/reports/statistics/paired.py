"""Differences of a score between two combiners, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from gradprobe.geometry.intervals import LEVEL
from gradprobe.reports.statistics.seeds import NAN


@dataclass(frozen=True)
class Paired:
    """Mean over `seeds` shared seeds of one combiner's score minus another's, with its 95 % t interval.

    `deviation` is the standard deviation of the differences. With one seed, interval and deviation
    are NaN; with none, the mean is too. `reason` says so.
    """

    mean: float
    low: float
    high: float
    deviation: float
    seeds: int
    reason: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero; False where it is undefined."""
        return self.low > 0.0 or self.high < 0.0


def paired_difference(
    own: Mapping[int, float],
    other: Mapping[int, float],
    *,
    nothing: str = "no seed has finished with both combiners",
) -> Paired:
    """The paired difference of seed -> score; seeds that only one has, or undefined scores, are left out.

    `nothing` is the reason where none is left.

    >>> found = paired_difference({0: 1.5, 1: 1.7}, {0: 1.0, 1: 1.0, 2: 1.0})
    >>> round(found.mean, 6), round(found.high - found.mean, 6)
    (0.6, 1.27062)
    """
    differences = [own[seed] - other[seed] for seed in own if seed in other]
    return over_paired(differences, nothing=nothing)


def over_paired(values: Sequence[float], *, nothing: str) -> Paired:
    """The mean of one difference a seed with its interval; undefined ones are left out.

    `nothing` is the reason where none is left.
    """
    differences = np.array(values, dtype=np.float64)
    differences = differences[np.isfinite(differences)]
    count = differences.size
    if count == 0:
        return Paired(NAN, NAN, NAN, NAN, 0, nothing)
    mean = float(differences.mean())
    if count == 1:
        return Paired(mean, NAN, NAN, NAN, 1, "one seed has no spread, so no interval")
    deviation = float(differences.std(ddof=1))
    reach = half_width(deviation, count)
    return Paired(mean, mean - reach, mean + reach, deviation, count)


def half_width(deviation: float, seeds: int) -> float:
    """Half the t interval of a mean of `seeds` values with that standard deviation."""
    return float(student.ppf(0.5 + LEVEL / 2, seeds - 1)) * deviation / math.sqrt(seeds)


def seeds_to_settle(paired: Paired, *, most: int = 200) -> int | None:
    """How many seeds would exclude zero if mean and spread stayed as they are; None beyond `most`.

    None as well where there is no spread or no difference to go by.
    """
    if not paired.deviation > 0.0 or paired.mean == 0.0:
        return None
    more = range(paired.seeds + 1, most + 1)
    return next((seeds for seeds in more if half_width(paired.deviation, seeds) < abs(paired.mean)), None)
