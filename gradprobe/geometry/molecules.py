"""Which molecules helped or harmed the focal loss, from sums of their effects over a run.

Molecules are ranked by their mean effect on one half of the held-out rows and tested on the other: the best
of thousands look good on the rows that chose them. All effects of a step share one held-out gradient, so
tests depend on each other in no known way: discoveries are those of Benjamini & Yekutieli (2001, theorem
1.3).

What is estimated is this run's steps, to first order: what training without a molecule would do is for
training to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import IntArray, student

Verdict = Literal["helps", "harms", "no effect shown", "not testable"]
LEAST_VISITS = 5


@dataclass(frozen=True, eq=False)
class MoleculeEffects:
    """The effects of k molecules on the focal loss; positive helps.

    `means` [k] are per visit, with 95% intervals from `low` to `high`; `totals` [k] are over all
    steps of the run, measured or not. `visits` [k] count the measured steps behind them. `p_values` [k] are
    one-sided: that the effect on the testing half has not the sign that the ranking half gave it. NaN where
    `verdicts` [k] say "not testable", for the reason in `reasons` [k].
    """

    means: FloatArray
    low: FloatArray
    high: FloatArray
    totals: FloatArray
    visits: IntArray
    ranking: FloatArray
    testing: FloatArray
    p_values: FloatArray
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]


def molecule_effects(
    whole: FloatArray,
    ranking: FloatArray,
    testing: FloatArray,
    noise: FloatArray,
    *,
    turns: float = 1.0,
    probability: float = 1.0,
    rate: float = 0.05,
    least_visits: int = LEAST_VISITS,
    candidates: int | None = None,
) -> MoleculeEffects:
    """Means, intervals and verdicts of k molecules from their visits, sums and sums of squares.

    The error of a mean has two parts. One is that of its visits, taken as draws of one distribution: it is
    too small where they are few and close together. The other is that of the held-out rows, the same ones
    again and again in a run, which no number of visits averages out. It is the mean square of the molecule's
    effect on a loss whose held-out rows have random signs, which has the same noise and no signal; a half has
    twice that. Where other held-out rows come at every step, errors are too large.

    Args:
        whole: visits, sum of effects and of their squares [k, 3], on all held-out rows.
        ranking: the same on one half of them, which gives the sign of the effect to test.
        testing: the same on the other half.
        noise: the same on all of them with random signs, drawn anew at every visit.
        turns: the held-out rows of a step, as a share of all that the run has.
        probability: that of a step to be measured; totals are sums divided by it.
        rate: of false ones among the molecules said to help or harm, at most, in expectation.
        least_visits: molecules with fewer visits on either half are not testable.
        candidates: how many of the largest effects on the ranking half, in units of their error, to test;
            None: all. Fewer tests find smaller effects.

    Raises:
        InputError: sums of other shapes, or options out of range.
    """
    _check(
        [whole, ranking, testing, noise],
        {"probability": probability, "turns": turns},
        rate=rate,
        least_visits=least_visits,
        candidates=candidates,
    )
    means, errors, _ = _moments(whole)
    ranked, ranked_errors, _ = _moments(ranking)
    tested, tested_errors, _ = _moments(testing)
    enough = np.minimum(ranking[:, 0], testing[:, 0]) >= least_visits
    rows = turns * _moments(noise)[2] ** 2
    errors = np.sqrt(errors**2 + np.nan_to_num(rows))
    ranked_errors = np.sqrt(ranked_errors**2 + 2 * rows)
    tested_errors = np.sqrt(tested_errors**2 + 2 * rows)
    # Exactly zero, as of a row on parameters of its own: no direction to test.
    moved = (ranked != 0) & (ranked_errors > 0) & (tested_errors > 0)
    eligible = enough & moved
    testable = eligible & _strongest(ranked, ranked_errors, eligible, candidates)
    p_values = np.full(len(means), np.nan)
    towards = np.sign(ranked) * tested
    p_values[testable] = _one_sided(towards[testable], tested_errors[testable], testing[testable, 0])
    reach = student(np.where(whole[:, 0] > 1, whole[:, 0] - 1, np.nan)) * errors
    discovered = _discoveries(p_values, rate)
    signs = np.where(discovered, np.sign(ranked), 0.0)
    return MoleculeEffects(
        means=means,
        low=means - reach,
        high=means + reach,
        totals=whole[:, 1] / probability,
        visits=whole[:, 0].astype(np.int64),
        ranking=ranked,
        testing=tested,
        p_values=p_values,
        verdicts=tuple(_verdict(*entry) for entry in zip(testable, signs, strict=True)),
        reasons=tuple(_reason(*entry, least_visits) for entry in zip(enough, moved, testable, strict=True)),
    )


def _moments(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means [k], their standard errors [k] over visits and root mean squares [k]; NaN for too few visits."""
    visits, total, squares = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(visits > 0, total / visits, np.nan)
        mean_squares = np.where(visits > 0, squares / visits, np.nan)
        # What is left of equal effects is rounding.
        spread = mean_squares - means**2
        spread = np.where(spread > 1e-12 * mean_squares, spread, 0.0)
        errors = np.where(visits > 1, np.sqrt(spread / (visits - 1)), np.nan)
    return means, errors, np.sqrt(mean_squares)


def _strongest(means: FloatArray, errors: FloatArray, eligible: BoolArray, number: int | None) -> BoolArray:
    """The largest means in units of their errors, so many; all for None."""
    if number is None:
        return eligible
    strength = np.full(len(means), -1.0)
    strength[eligible] = np.abs(means[eligible]) / errors[eligible]
    order = np.argsort(-strength, kind="stable")
    chosen = np.zeros(len(means), dtype=np.bool_)
    chosen[order[:number]] = True
    return chosen


def _one_sided(values: FloatArray, errors: FloatArray, visits: FloatArray) -> FloatArray:
    from scipy.special import stdtr  # slow to import, and most users of this package never get here

    return np.asarray(stdtr(visits - 1.0, -values / errors))


def _discoveries(p_values: FloatArray, rate: float) -> BoolArray:
    from scipy.stats import false_discovery_control  # as above

    known = ~np.isnan(p_values)
    below = np.zeros(p_values.shape, dtype=np.bool_)
    if known.any():
        below[known] = false_discovery_control(p_values[known], method="by") <= rate
    return below


def _verdict(testable: bool, sign: float) -> Verdict:
    if not testable:
        return "not testable"
    if sign == 0:
        return "no effect shown"
    return "helps" if sign > 0 else "harms"


def _reason(enough: bool, moved: bool, testable: bool, least_visits: int) -> str:
    if not enough:
        return f"fewer than {least_visits} visits with both halves of the held-out rows"
    if not moved:
        return "no effect on the held-out rows at any visit"
    return "" if testable else "not among the candidates"


def _check(
    sums: list[FloatArray],
    shares: Mapping[str, float],
    *,
    rate: float,
    least_visits: int,
    candidates: int | None,
) -> None:
    shapes = [np.shape(own) for own in sums]
    if len(set(shapes)) != 1 or len(shapes[0]) != 2 or shapes[0][1] != 3:
        raise InputError(f"whole, ranking, testing, noise: expected equal shapes [k, 3], got {shapes}")
    for name, share in shares.items():
        if not 0.0 < share <= 1.0:
            raise InputError(f"{name}: expected a share above 0 and up to 1, got {share!r}")
    if not 0.0 < rate < 1.0:
        raise InputError(f"rate: expected one between 0 and 1, got {rate!r}")
    if least_visits < 2:
        raise InputError(
            f"least_visits: expected 2 or more, which a standard error needs, got {least_visits}"
        )
    if candidates is not None and candidates < 1:
        raise InputError(f"candidates: expected a count from 1 on or None, got {candidates!r}")
