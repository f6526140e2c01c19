"""Estimates of several independent runs as one.

A run is a window of its own: its error comes from blocks of its steps, and no block crosses two runs. Runs
also differ by more than these errors explain, since each seed has its own split, initial parameters and
minibatches. That is a variance of its own, added to every run's (random effects, DerSimonian & Laird 1986).

It is estimated by moments for the weights given (DerSimonian & Kacker 2007, eq. 6), with the median of
chi square in place of its mean: half of all estimates are then too small and half too large, where the usual
one is zero too often for two or three runs. The degrees of freedom blend those of the runs' own errors with
one less than there are runs, by each part's share of the variance. So an interval moves smoothly as runs
drift apart; nothing switches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.decision import Affinities, Comparison, Gain, ShareCurve
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import (
    FEW_BLOCKS,
    NO_STEP,
    Estimate,
    IntArray,
    discoveries,
    student,
    two_sided,
)

# Runs are marked as apart where their spread is this unlikely under their own errors; nothing rests on it.
_APART = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooled(Estimate):
    """Estimates [...] over independent runs, with intervals for runs that were not made.

    `freedom` [...] are the degrees of freedom, `blocks` their number plus one, rounded down. `runs` [...]
    counts the runs that have an estimate, `agree` marks where all of them have the same sign. `between` [...]
    is the standard deviation between runs beyond their own errors, and `apart` marks where Cochran's Q finds
    it (p < 0.05); no interval rests on that mark.
    """

    freedom: FloatArray
    runs: IntArray
    agree: BoolArray
    between: FloatArray
    apart: BoolArray

    def at(self, *index: int) -> Pooled:
        """The estimate of one entry, with shape ()."""
        one = super().at(*index)
        return Pooled(
            one.values,
            one.reasons,
            low=one.low,
            high=one.high,
            standard_error=one.standard_error,
            blocks=one.blocks,
            short=one.short,
            freedom=np.asarray(self.freedom[index]),
            runs=np.asarray(self.runs[index]),
            agree=np.asarray(self.agree[index]),
            between=np.asarray(self.between[index]),
            apart=np.asarray(self.apart[index]),
        )

    @property
    def p_values(self) -> FloatArray:
        """Two-sided p values [...] of the true value being zero, by Student's t; NaN where undefined."""
        return two_sided(self.values, self.standard_error, self.freedom)

    @property
    def p_above(self) -> FloatArray:
        """One-sided p values [...] of the true value being zero or less; NaN where undefined."""
        return np.asarray(np.where(self.values > 0.0, self.p_values / 2.0, 1.0 - self.p_values / 2.0))


def pooled(estimates: Sequence[Estimate], weights: Sequence[float]) -> Pooled:
    """The weighted mean of r runs' estimates [...], with intervals.

    The variance is that of the runs' own errors and of what they differ by beyond them. Where no run has an
    error there is a mean without an interval; where some do, the others are left out.

    Raises:
        InputError: no run, or as many weights as runs are not given.
    """
    if not estimates or len(estimates) != len(weights):
        raise InputError(
            f"estimates, weights: expected one of each for at least one run, got {len(estimates)} "
            f"and {len(weights)}"
        )
    values = np.stack([e.values for e in estimates])
    errors = np.stack([e.standard_error for e in estimates])
    blocks = np.stack([np.broadcast_to(e.blocks, e.values.shape) for e in estimates])
    column = np.reshape(np.asarray(weights, dtype=np.float64), (-1, *[1] * (values.ndim - 1)))
    sure = ~np.isnan(errors) & ~np.isnan(values)
    used = np.where(sure.any(axis=0), sure, ~np.isnan(values))
    parts = _shares(column, used)
    mean = np.where(used.any(axis=0), np.where(used, parts * values, 0.0).sum(axis=0), np.nan)
    within, own_freedom = _within(parts, errors, blocks)
    between, runs_freedom = _between(parts, values, errors, used, mean)
    added = between**2 * (parts**2).sum(axis=0)
    variance = np.where(np.isnan(mean), np.nan, within + added)
    share = np.divide(added, variance, out=np.zeros(mean.shape), where=variance > 0.0)
    freedom = 1.0 / (share / np.maximum(runs_freedom, 1) + (1.0 - share) / np.maximum(own_freedom, 1e-9))
    error = np.sqrt(variance)
    half = student(freedom) * error
    few = np.isnan(half)
    reasons = [(np.isnan(mean), NO_STEP), (few, FEW_BLOCKS)]
    return Pooled(
        mean,
        {
            tuple(int(i) for i in index): next(text for where, text in reasons if where[tuple(index)])
            for index in np.argwhere(few)
        },
        low=mean - half,
        high=mean + half,
        standard_error=error,
        blocks=np.floor(freedom + 1e-9).astype(np.int64) + 1,
        short=np.asarray(np.stack([np.broadcast_to(e.short, e.values.shape) for e in estimates]).any(axis=0)),
        freedom=freedom,
        runs=used.sum(axis=0),
        agree=(np.where(used, np.sign(values), np.sign(mean)) == np.sign(mean)).all(axis=0),
        between=between,
        apart=_apart(values, errors, used),
    )


def pooled_gain(gains: Sequence[Gain], weights: Sequence[float]) -> Gain:
    """A combiner's gain over several runs; each run has a control of its own focal share."""
    shares = np.array([g.focal_share for g in gains])
    known = ~np.isnan(shares)
    counts = np.asarray(weights, dtype=np.float64)[known]
    share = float(counts @ shares[known] / counts.sum()) if known.any() else float("nan")

    def comparison(of: Callable[[Gain], Comparison]) -> Comparison:
        names = ("effect", "average", "control", "gain", "gain_over_control")
        return Comparison(*(pooled([getattr(of(g), name) for g in gains], weights) for name in names))

    return Gain(
        equal_length=comparison(lambda g: g.equal_length),
        equal_rate=comparison(lambda g: g.equal_rate),
        focal_share=share,
        leverage=pooled([g.leverage for g in gains], weights),
        trials=sum(g.trials for g in gains),
        undefined=sum(g.undefined for g in gains),
    )


def pooled_curve(curves: Sequence[ShareCurve], weights: Sequence[float]) -> ShareCurve:
    """The gain of reweighted averaging over several runs, all at the same focal shares."""
    return ShareCurve(
        curves[0].shares,
        pooled([curve.equal_length for curve in curves], weights),
        pooled([curve.equal_rate for curve in curves], weights),
    )


def pooled_affinities(
    found: Sequence[Affinities], weights: Sequence[float], *, false_discovery_rate: float = 0.05
) -> Affinities:
    """The affinities over several runs of the same tasks, tested against zero once, over the auxiliaries."""
    first = found[0]
    effects = pooled([each.effects for each in found], weights)
    focal = np.array([task == first.focal for task in first.tasks])
    nonzero = discoveries(np.where(focal, np.nan, effects.p_values), false_discovery_rate)
    return Affinities(first.tasks, first.focal, effects, nonzero)


def _shares(weights: FloatArray, used: BoolArray) -> FloatArray:
    """Weights [r, ...] of the used runs, which add up to one."""
    parts = np.where(used, weights, 0.0)
    total = parts.sum(axis=0)
    return np.asarray(np.divide(parts, total, out=np.zeros(parts.shape), where=total > 0.0))


def _within(parts: FloatArray, errors: FloatArray, blocks: IntArray) -> tuple[FloatArray, FloatArray]:
    """The variance [...] of a mean of runs by their own errors, with Satterthwaite's degrees of freedom."""
    squares = (parts * np.where(parts > 0.0, errors, 0.0)) ** 2
    variance = squares.sum(axis=0)
    fourth = (squares**2 / np.maximum(blocks - 1, 1)).sum(axis=0)
    # Runs without any spread, such as a combiner that is averaging, keep the blocks they have.
    fewest = np.where(parts > 0.0, blocks, blocks.max(axis=0)).min(axis=0) - 1
    freedom = np.divide(variance**2, fourth, out=np.array(fewest, dtype=np.float64), where=fourth > 0.0)
    return variance, freedom


def _between(
    parts: FloatArray, values: FloatArray, errors: FloatArray, used: BoolArray, mean: FloatArray
) -> tuple[FloatArray, IntArray]:
    """The standard deviation [...] between runs beyond their own errors, and its degrees of freedom [...].

    The moment equation `sum w (y - mean)^2 = sum w (1 - w) (s^2 + between^2)`, its left side divided by
    the median of chi square over its mean.
    """
    from scipy.special import chdtri  # slow to import, and most users of this package never get here

    freedom = used.sum(axis=0) - 1
    middle = np.where(freedom > 0, chdtri(np.maximum(freedom, 1), 0.5) / np.maximum(freedom, 1), 1.0)
    spread = (parts * np.where(used, values - mean, 0.0) ** 2).sum(axis=0) / middle
    scale = (parts * (1.0 - parts)).sum(axis=0)
    explained = (parts * (1.0 - parts) * np.where(used, errors, 0.0) ** 2).sum(axis=0)
    variance = np.divide(spread - explained, scale, out=np.zeros(mean.shape), where=scale > 0.0)
    return np.sqrt(np.maximum(variance, 0.0)), freedom


def _apart(values: FloatArray, errors: FloatArray, used: BoolArray) -> BoolArray:
    """Where Cochran's Q of the used runs [r, ...] is larger than their errors explain."""
    from scipy.special import chdtrc  # slow to import, and most users of this package never get here

    sure = used & (errors > 0.0)
    precision = np.divide(1.0, errors**2, out=np.zeros(errors.shape), where=sure)
    total = precision.sum(axis=0)
    weighted = np.where(sure, precision * values, 0.0).sum(axis=0)
    centre = np.divide(weighted, total, out=np.zeros(total.shape), where=total > 0.0)
    q = np.where(sure, precision * (values - centre) ** 2, 0.0).sum(axis=0)
    freedom = sure.sum(axis=0) - 1
    return np.asarray((freedom > 0) & (chdtrc(np.maximum(freedom, 1), q) < _APART))
