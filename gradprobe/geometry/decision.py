"""What a combiner would do for the focal task, read off a run that averages.

An update made from some rows is judged on other rows: its first-order effect is the inner product with
the focal gradient of molecules that neither chose its weights nor made it. Weights, update and effect of
the same rows would reward a combiner for fitting their noise. All of it is first order and in
plain-gradient geometry: an optimiser such as Adam changes lengths and angles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.cosines import norms, update_cosine
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import Estimate, IntArray, discoveries, mean_over_steps
from gradprobe.geometry.window import FoldProducts, TaskProducts

# Weights [m] of a combiner for a Gramian [m, m], its present tasks [m] and the row of the focal one.
Weigh = Callable[[FloatArray, BoolArray, int], FloatArray]
# Two sums over a Gramian in float64 agree no better than this; below it, updates are the same.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Trials:
    """k updates that could have been made, and rows to judge them on.

    Trial r has the Gramian `gramians[r]` [m, m] of the `present[r]` [m] tasks' rows that its update is
    made from, and `effects[r]` [m], the inner product of each task's gradient with the focal gradient of
    the other rows. `step_of` [k] numbers its step, out of `steps`. `weighed` are the Gramians [k, m, m] that
    set the weights where these are not `gramians`: an optimiser scales a combined update after its weights
    were chosen, so products in its geometry tell lengths and effects, and plain ones the weights.

    Lengths are those on the parameters that the focal task uses: a task whose product with the focal
    gradient is exactly zero in every trial has parameters of its own, and adds nothing to them.
    """

    tasks: tuple[str, ...]
    focal: int
    gramians: FloatArray
    present: BoolArray
    effects: FloatArray
    step_of: IntArray
    steps: int
    weighed: FloatArray | None = None

    @cached_property
    def apart(self) -> BoolArray:
        """The tasks [m] that share no parameter with the focal one: their products with it are all zero."""
        return np.asarray(
            ~(self.gramians[:, self.focal].any(axis=0) | self.effects.any(axis=0))
            & (np.arange(len(self.tasks)) != self.focal)
        )

    def over_steps(self, values: FloatArray) -> Estimate:
        """Estimates [...] of the mean of values [k, ...] of the trials, skipping NaN, with intervals."""
        defined = ~np.isnan(values)
        sums = np.zeros((self.steps, *values.shape[1:]))
        counts = np.zeros_like(sums)
        np.add.at(sums, self.step_of, np.where(defined, values, 0.0))
        np.add.at(counts, self.step_of, defined.astype(np.float64))
        return mean_over_steps(sums, counts)

    def weights(self, weigh: Weigh) -> FloatArray:
        """Weights [k, m] of a combiner in every trial, missing tasks at zero."""
        gramians = self.gramians if self.weighed is None else self.weighed
        weights = [weigh(g, p, self.focal) for g, p in zip(gramians, self.present, strict=True)]
        return np.array(weights).reshape(self.present.shape)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Mean first-order decrease of focal loss on other rows, per unit of step: larger is better.

    `effect` is the combiner's, `average` averaging's, `control` that of reweighted averaging with the
    combiner's mean focal share; `gain` is the combiner's over averaging and `gain_over_control` that over
    the control, both paired by step.
    """

    effect: Estimate
    average: Estimate
    control: Estimate
    gain: Estimate
    gain_over_control: Estimate


@dataclass(frozen=True, eq=False)
class Gain:
    """What a combiner would have gained for the focal task over a window of averaging.

    `equal_length` compares steps of the same length, `equal_rate` the same learning rate. `focal_share`
    is the focal task's mean share of the combiner's weights, and `leverage` its mean `1 - cos` from
    averaging's update. `trials` counts the updates judged, `undefined` those of length zero, which have
    no direction and drop out at equal length.
    """

    equal_length: Comparison
    equal_rate: Comparison
    focal_share: float
    leverage: Estimate
    trials: int
    undefined: int


@dataclass(frozen=True, eq=False)
class ShareCurve:
    """Gain over averaging of reweighted averaging at focal `shares` [s]: the skeptic's curve.

    Surgery is worth its price only above it (Kurin et al. 2022; Xin et al. 2022).
    """

    shares: FloatArray
    equal_length: Estimate
    equal_rate: Estimate


@dataclass(frozen=True, eq=False)
class Affinities:
    """First-order effect [m] on focal loss of a unit step along each task's own gradient, in task order.

    Positive helps, negative harms; the focal task's own is among them. `nonzero` [m] marks the auxiliaries
    distinguishable from zero at the false discovery rate over the auxiliaries.
    """

    tasks: tuple[str, ...]
    focal: str
    effects: Estimate
    nonzero: BoolArray


def fresh_trials(folds: FoldProducts, *, focal: str, weighed: FoldProducts | None = None) -> Trials:
    """Updates from one fold of each step judged on the other, both ways round: half a batch's updates.

    A fold is judged where the other one holds rows of the focal task. Where `folds` are in an optimiser's
    geometry, `weighed` are the plain products of the same steps, which set the weights.

    Raises:
        InputError: `focal` is no task of the window, or `weighed` is of other tasks or steps.
    """
    row = _row(folds.tasks, focal)
    _check_weighed(folds, weighed)
    steps = len(folds.rows)
    gramians = np.concatenate([folds.values[:, 0, 0], folds.values[:, 1, 1]])
    effects = np.concatenate([folds.values[:, 0, 1, :, row], folds.values[:, 1, 0, :, row]])
    present = np.concatenate([folds.rows[:, 0], folds.rows[:, 1]]) > 0
    judged = np.concatenate([folds.rows[:, 1, row], folds.rows[:, 0, row]]) > 0
    kept = judged & present.any(axis=1)
    step_of = np.tile(np.arange(steps), 2)[kept]
    chosen = None if weighed is None else np.concatenate([weighed.values[:, k, k] for k in range(2)])[kept]
    return Trials(folds.tasks, row, gramians[kept], present[kept], effects[kept], step_of, steps, chosen)


def heldout_trials(
    products: TaskProducts, effects: FloatArray, *, focal: str, weighed: TaskProducts | None = None
) -> Trials:
    """Updates from whole minibatches judged on held-out rows, by `effects` [t, m] `<g_i, g_focal^H>`.

    The held-out rows must not be in the minibatch. Where they are the same at every step, intervals hold
    for those rows: they do not include the chance of having drawn them. NaN where a task is missing; a
    step without held-out rows is NaN throughout. `weighed` is as for `fresh_trials`.

    Raises:
        InputError: `focal` is no task of the window, `effects` do not fit the present tasks, or `weighed` is
            of other tasks or steps.
    """
    row = _row(products.tasks, focal)
    _check_weighed(products, weighed)
    given = np.asarray(effects, dtype=np.float64)
    if given.shape != products.present.shape:
        raise InputError(
            f"effects: expected shape {products.present.shape} (steps, tasks), got {given.shape}"
        )
    judged = products.present.any(axis=1) & ~np.isnan(given).all(axis=1)
    if (np.isnan(given) & products.present)[judged].any() or np.isinf(given).any():
        raise InputError("effects: expected a finite number for every task present at a judged step")
    return Trials(
        products.tasks,
        row,
        products.values[judged],
        products.present[judged],
        np.where(products.present, given, 0.0)[judged],
        np.flatnonzero(judged),
        len(given),
        None if weighed is None else weighed.values[judged],
    )


def leverage(gramian: FloatArray, weights: FloatArray, reference: FloatArray) -> float:
    """`1 - cos` of the updates of two sets of weights [m] on a Gramian [m, m]; NaN for a zero update.

    >>> round(leverage(np.eye(2), np.array([1.0, 0.0]), np.array([1.0, 1.0])), 6)
    0.292893
    """
    distance = 1.0 - update_cosine(gramian, weights, reference)
    return 0.0 if distance < _ROUNDING else distance


def gain(trials: Trials, weigh: Weigh) -> Gain:
    """What a combiner would have gained over averaging, and over reweighted averaging, in k trials.

    The control has the combiner's mean focal share and mean sum of weights over the window, auxiliaries
    alike. Shares are of the absolute weights, over the trials in which the focal task is present and
    weights are not all zero; both means count as known in the intervals.
    """
    weights, plain = trials.weights(weigh), reweighted(trials)
    totals = np.abs(weights).sum(axis=1)
    shared = trials.present[:, trials.focal] & (totals > 0.0)
    share = float(np.mean(weights[shared, trials.focal] / totals[shared])) if shared.any() else float("nan")
    total = float(totals.mean()) if totals.size else float("nan")
    control = total * reweighted(trials, share) if shared.any() else total * plain
    lengths = _lengths(trials, weights)
    away = [leverage(g, w, a) for g, w, a in zip(trials.gramians, weights, plain, strict=True)]
    return Gain(
        equal_length=_compare(trials, weights, plain, control, per_length=True),
        equal_rate=_compare(trials, weights, plain, control, per_length=False),
        focal_share=share,
        leverage=trials.over_steps(np.array(away)),
        trials=len(weights),
        undefined=int(np.isnan(lengths).sum()),
    )


def share_curve(trials: Trials, shares: FloatArray) -> ShareCurve:
    """Gains over averaging of reweighted averaging at focal `shares` [s] between 0 and 1.

    Raises:
        InputError: a share outside [0, 1].
    """
    grid = np.asarray(shares, dtype=np.float64)
    if grid.ndim != 1 or (grid < 0.0).any() or (grid > 1.0).any():
        raise InputError(f"shares: expected a list of numbers between 0 and 1, got {shares!r}")
    plain = reweighted(trials)

    def gains(per_length: bool) -> Estimate:
        base = _effects(trials, plain, per_length=per_length)
        own = [_effects(trials, reweighted(trials, share), per_length=per_length) for share in grid]
        return trials.over_steps(np.stack(own, axis=1) - base[:, None])

    return ShareCurve(grid, gains(True), gains(False))


def affinities(trials: Trials, *, false_discovery_rate: float = 0.05) -> Affinities:
    """`<g_k, g_focal> / |g_k|` of every task k, on rows other than those of g_k, over a window."""
    squares = np.diagonal(trials.gramians, axis1=1, axis2=2)
    lengths = np.sqrt(np.where(trials.present & (squares > 0.0), squares, np.nan))
    effects = trials.over_steps(trials.effects / lengths)
    p_values = np.where(np.arange(len(trials.tasks)) == trials.focal, np.nan, effects.p_values)
    nonzero = discoveries(p_values, false_discovery_rate)
    return Affinities(trials.tasks, trials.tasks[trials.focal], effects, nonzero)


def reweighted(trials: Trials, share: float | None = None) -> FloatArray:
    """Weights [k, m] of averaging with a fixed share for the focal task, the rest alike; None: averaging.

    A missing focal task, or one that is alone, leaves the average of the present ones.
    """
    present = trials.present.astype(np.float64)
    counts = present.sum(axis=1, keepdims=True)
    plain = np.asarray(present / counts)
    if share is None:
        return plain
    weights = present * (1.0 - share) / np.maximum(counts - 1.0, 1.0)
    weights[:, trials.focal] = share
    fixed = trials.present[:, [trials.focal]] & (counts > 1.0)
    return np.where(fixed, weights, plain)


def _compare(
    trials: Trials, weights: FloatArray, plain: FloatArray, control: FloatArray, *, per_length: bool
) -> Comparison:
    own, average, other = (
        _effects(trials, each, per_length=per_length) for each in (weights, plain, control)
    )
    estimates = trials.over_steps(np.stack([own, average, other, own - average, own - other], axis=1))
    return Comparison(*(estimates.at(part) for part in range(5)))


def _effects(trials: Trials, weights: FloatArray, *, per_length: bool) -> FloatArray:
    """Effects [k] of updates with weights [k, m], per unit of their length or of learning rate."""
    effects = np.asarray(np.einsum("km,km->k", weights, trials.effects))
    return np.asarray(effects / _lengths(trials, weights)) if per_length else effects


def _lengths(trials: Trials, weights: FloatArray) -> FloatArray:
    """Lengths [k] of the updates with weights [k, m] where the focal task has parameters; NaN for zero.

    Zero is up to rounding of what cancelled.
    """
    weights = np.where(trials.apart, 0.0, weights)
    squares = np.einsum("ki,kij,kj->k", weights, trials.gramians, weights)
    parts = np.einsum("ki,ki->k", np.abs(weights), norms(trials.gramians))
    return np.sqrt(np.where(squares > _ROUNDING * parts**2, squares, np.nan))


def _check_weighed(
    products: TaskProducts | FoldProducts, weighed: TaskProducts | FoldProducts | None
) -> None:
    if weighed is not None and (
        weighed.tasks != products.tasks or weighed.values.shape != products.values.shape
    ):
        raise InputError(
            f"weighed: expected products of {len(products.values)} steps of the tasks "
            f"{list(products.tasks)}, got {len(weighed.values)} steps of {list(weighed.tasks)}"
        )


def _row(tasks: tuple[str, ...], focal: str) -> int:
    if focal not in tasks:
        raise InputError(f"focal: expected one of {list(tasks)}, got {focal!r}")
    return tasks.index(focal)
