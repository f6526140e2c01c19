"""The last word: averaging and the recommended action on rows that nothing was chosen on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.intervals import IntArray

FEWEST_PARENTS = 10


@dataclass(frozen=True)
class Confirmation:
    """The difference of scores on the outer part, with an interval for new parents.

    `confirmed` where the interval lies above zero. A choice that is not confirmed is not refuted, and never
    hands the title to the runner-up, which would be one more choice by the same rows.
    """

    difference: float
    low: float
    high: float
    parents: int
    confirmed: bool


def outer_part(
    difference: Callable[[IntArray], float],
    parents: Sequence[Hashable],
    *,
    seed: int,
    level: float = 0.05,
    resamples: int = 2000,
) -> Confirmation:
    """The difference on the outer part, with a BCa bootstrap interval over parents (Efron 1987).

    Args:
        difference: the rows [k] of the outer part to score, some of them several times -> how much better
            the action scores on them than averaging, positive where better; averaged over seeds, if there
            are several.
        parents: the parent structure behind each row: salts, replicates and isomers of one compound vary
            together, so they are drawn together.
        seed: draws the resamples.
        level: one less the interval's confidence.
        resamples: how many to draw.

    Raises:
        InputError: fewer than `FEWEST_PARENTS` parents, whose spread says nothing of new ones.
    """
    from scipy.stats import bootstrap  # slow to import

    names = list(dict.fromkeys(parents))
    if len(names) < FEWEST_PARENTS:
        raise InputError(
            f"parents: expected at least {FEWEST_PARENTS} distinct parents in the outer part, "
            f"got {len(names)}; set a larger part aside"
        )
    place = {name: number for number, name in enumerate(names)}
    numbers = np.array([place[name] for name in parents])
    rows = [np.flatnonzero(numbers == number) for number in range(len(names))]

    def drawn(chosen: IntArray) -> float:
        return difference(np.concatenate([rows[int(number)] for number in chosen]))

    whole = float(difference(np.arange(len(numbers))))
    without = [difference(np.flatnonzero(numbers != number)) for number in range(len(names))]
    if np.ptp(without) == 0.0:
        # Rows that all say the same leave nothing to resample.
        return Confirmation(whole, whole, whole, len(names), whole > 0.0)
    interval = bootstrap(
        (np.arange(len(names)),),
        drawn,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=1.0 - level,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    return Confirmation(whole, low, high, len(names), low > 0.0)
