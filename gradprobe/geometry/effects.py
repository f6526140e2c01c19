"""How much an action would have reduced the focal task's held-out loss, summed over the steps of a run.

At a step with learning rate `lr` and optimiser diagonal D, averaging's update reduces the held-out focal loss
by `lr sum_i w_i <g_i, D g_H>` to first order, `g_H` the gradient of held-out rows of the focal task. An
action with factors a_i on the auxiliaries' weights reduces it by `lr sum_i (a_i - 1) w_i <g_i, D g_H>` more.
Nothing is divided by the length of an update: that would charge an auxiliary on parameters of its own with
the length it adds, though it changes nothing. Inner products with D come from `GradientProbe(precondition=)`;
plain ones describe gradient descent.

Effects add up over auxiliaries. So leaving out several is the sum of leaving out each, and the best subset
keeps those whose own effect is positive. What is second order is not in here: interference by curvature,
heads that adapt, other paths. Training is the judge; effects rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.actions import Action
from gradprobe.geometry.decision import Trials, reweighted
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import Estimate, IntArray, Means, ratio, window_means
from gradprobe.geometry.population import Estimand, Influences, widened

NO_PROGRESS = "the focal task's own steps did not reduce its held-out loss in this window"


@dataclass(frozen=True, eq=False)
class Effects:
    """Reductions of the focal task's held-out loss; positive helps.

    `changes` [a] are what each action would have reduced it by beyond averaging, summed over `steps` steps of
    training, and `relative` [a] the same over what the focal task's own gradients achieved, `own`: it does
    not depend on the loss's scale, and an action of -1 undoes all of it. `tasks_relative` [m] is each task's
    part of averaging's update, also over `own`, so 1 for the focal task. Where `own` is not positive,
    relative ones are undefined. `undefined` [a] counts the updates that an action leaves undefined, which
    drop out. `estimand` names whom the intervals speak of.
    """

    tasks: tuple[str, ...]
    focal: str
    actions: tuple[str, ...]
    changes: Estimate
    relative: Estimate
    own: Estimate
    averaging: Estimate
    tasks_relative: Estimate
    undefined: IntArray
    steps: int
    estimand: Estimand = Estimand.THESE


def effects(
    trials: Trials,
    actions: Sequence[Action],
    *,
    rates: FloatArray | None = None,
    steps: BoolArray | None = None,
    every: int = 1,
    own_moments: FloatArray | None = None,
    rounds: float | None = None,
    influences: Influences | None = None,
) -> Effects:
    """Effects of actions over a window of averaging's steps.

    Args:
        trials: updates and the rows to judge them on, from `heldout_trials` or `fresh_trials`.
        actions: what to try; see `geometry.actions`.
        rates: learning rate [t] of every step; None: the same at all, in units of it.
        steps: which of the t steps are in the window; None: all. See `window_of_steps`.
        every: how many steps of training a measured one stands for.
        own_moments: products [k, 1 + a, m] `<g_i, D_c g_H>` with the diagonal that averaging and then each
            action would have had, from `moments.SecondMoments`; None: averaging's for all.
        rounds: how many times the window goes round the distinct molecules, of the tasks or the held-out
            ones, whichever is more: intervals then speak of new molecules. See `population.passes`.
        influences: the same from the rows: changes [n, m] of `trials.effects` of the row's step. Trials must
            be one a step, and a combiner's weights count as given.

    Raises:
        InputError: arguments of other shapes, or no action.
    """
    _check(trials, actions, rates=rates, steps=steps, own_moments=own_moments, influences=influences)
    plain = reweighted(trials)
    pace = np.ones(trials.steps) if rates is None else np.asarray(rates, dtype=np.float64)
    inside = np.ones(trials.steps, dtype=np.bool_) if steps is None else np.asarray(steps, dtype=np.bool_)
    weight = (pace * inside)[trials.step_of]
    products = np.broadcast_to(trials.effects[:, None], (len(plain), 1 + len(actions), len(trials.tasks)))
    products = products if own_moments is None else own_moments
    factors = [action.factors(trials) for action in actions]
    base = weight[:, None] * plain
    parts = base * products[:, 0]
    changes = [
        (base * (factor * products[:, 1 + place] - products[:, 0])).sum(1)
        for place, factor in enumerate(factors)
    ]
    own, total = parts[:, trials.focal], parts.sum(axis=1)
    counted = inside[trials.step_of]
    number = every * int(np.unique(trials.step_of[counted]).size)
    sums, counts = _sums(trials, counted, np.stack([*changes, total, *parts.T], axis=1), own)
    slopes = np.stack([*(base * (factor - 1.0) for factor in factors), base], axis=1)
    means, estimand = widened(
        window_means(sums, counts),
        sums,
        counts,
        rounds=None if rounds is None else np.asarray(rounds, dtype=np.float64),
        influences=None if influences is None else _carried(trials, counted, slopes, base, influences),
    )
    summed = _scaled(means, number)
    relative = _relative(means)
    kinds = len(actions)
    absolute = summed.estimate(0)
    return Effects(
        tasks=trials.tasks,
        focal=trials.tasks[trials.focal],
        actions=tuple(action.name for action in actions),
        changes=_some(absolute, slice(0, kinds)),
        relative=_some(relative, slice(0, kinds)),
        own=absolute.at(kinds + 1 + trials.focal),
        averaging=absolute.at(kinds),
        tasks_relative=_some(relative, slice(kinds + 1, None)),
        undefined=np.array([int(np.isnan(change[counted]).sum()) for change in changes]),
        steps=number,
        estimand=estimand,
    )


def harmful(found: Effects, *, sure: bool = False) -> tuple[str, ...]:
    """The auxiliaries whose own effect is negative, so the best to drop; `sure`: by their intervals."""
    bound = found.tasks_relative.high if sure else found.tasks_relative.values
    return tuple(
        task for task, value in zip(found.tasks, bound, strict=True) if task != found.focal and value < 0.0
    )


def _sums(
    trials: Trials, counted: BoolArray, values: FloatArray, own: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums and counts [t, q, 2] a step of q values [k, q] and, at the same updates, of the focal task's."""
    both = np.stack([values, np.broadcast_to(own[:, None], values.shape)], axis=-1)
    defined = (~np.isnan(values) & counted[:, None])[..., None]
    used = np.unique(trials.step_of[counted])
    place = np.searchsorted(used, trials.step_of[counted])
    # A window without a step is one step without anything: undefined throughout.
    sums = np.zeros((max(used.size, 1), *both.shape[1:]))
    counts = np.zeros_like(sums)
    np.add.at(sums, place, np.where(defined, both, 0.0)[counted])
    np.add.at(counts, place, np.broadcast_to(defined, both.shape)[counted].astype(np.float64))
    return sums, counts


def _carried(
    trials: Trials, counted: BoolArray, slopes: FloatArray, base: FloatArray, influences: Influences
) -> Influences:
    """Influences on products [n, m] as influences on sums [n, q, 2]: actions, averaging, then each task."""
    if np.unique(trials.step_of).size != trials.step_of.size:
        raise InputError("influences: expected one trial a step, as of heldout_trials, got several")
    trial_of = np.full(trials.steps, -1)
    trial_of[trials.step_of] = np.arange(len(trials.step_of))
    place = np.cumsum(counted) - 1
    trial = trial_of[influences.step_of]
    kept = (trial >= 0) & counted[trial]
    trial, changes = trial[kept], influences.changes[kept]
    parts = base[trial] * changes
    # An update that an action leaves undefined dropped out of the sums, so nothing moves it.
    combined = np.nan_to_num(np.einsum("nqm,nm->nq", slopes[trial], changes))
    values = np.concatenate([combined, parts], axis=1)
    own = np.broadcast_to(parts[:, [trials.focal]], values.shape)
    return Influences(place[trial], influences.molecule[kept], np.stack([values, own], axis=-1))


def _scaled(means: Means, number: int) -> Means:
    return means.transformed(np.broadcast_to(number * np.eye(2), (*means.values.shape, 2)))


def _relative(means: Means) -> Estimate:
    found = ratio(means)
    idle = ~(means.values[..., 1] > 0.0) & ~np.isnan(means.values[..., 1])
    reasons = dict(found.reasons) | {(int(place),): NO_PROGRESS for place in np.flatnonzero(idle)}
    lost = np.where(idle, np.nan, 1.0)
    return Estimate(
        found.values * lost,
        reasons,
        low=found.low * lost,
        high=found.high * lost,
        standard_error=found.standard_error * lost,
        blocks=found.blocks,
        short=found.short,
    )


def _some(estimate: Estimate, part: slice) -> Estimate:
    places = range(*part.indices(len(estimate.values)))
    return Estimate(
        estimate.values[part],
        {(k,): estimate.reasons[place,] for k, place in enumerate(places) if (place,) in estimate.reasons},
        low=estimate.low[part],
        high=estimate.high[part],
        standard_error=estimate.standard_error[part],
        blocks=estimate.blocks[part],
        short=estimate.short[part],
    )


def _check(
    trials: Trials,
    actions: Sequence[Action],
    *,
    rates: FloatArray | None,
    steps: BoolArray | None,
    own_moments: FloatArray | None,
    influences: Influences | None,
) -> None:
    if not actions:
        raise InputError("actions: expected at least one action, got none")
    for name, given in (("rates", rates), ("steps", steps)):
        if given is not None and np.shape(given) != (trials.steps,):
            raise InputError(
                f"{name}: expected one entry for each of {trials.steps} steps, got {np.shape(given)}"
            )
    expected = (len(trials.present), 1 + len(actions), len(trials.tasks))
    if own_moments is not None and influences is not None:
        raise InputError("influences: expected none beside own_moments, whose products they do not describe")
    if own_moments is not None and own_moments.shape != expected:
        raise InputError(
            f"own_moments: expected shape {expected} (trials, averaging and each action, tasks), "
            f"got {own_moments.shape}"
        )
