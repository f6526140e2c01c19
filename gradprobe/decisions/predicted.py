"""Actions read off traces of averaging's runs: those that gradients foretell to help come first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradprobe.decisions.candidates import (
    NO_OPTIONS,
    SHARES,
    Candidate,
    Options,
    action_of,
    candidates,
    left_out,
)
from gradprobe.errors import InputError
from gradprobe.geometry import (
    HELDOUT,
    Action,
    BoolArray,
    Effects,
    FloatArray,
    Gramian,
    Group,
    Pooled,
    Span,
    TaskProducts,
    Trials,
    effects,
    heldout_products,
    heldout_trials,
    pooled,
    window_of_steps,
)
from gradprobe.geometry.intervals import IntArray
from gradprobe.records.decision import Predicted
from gradprobe.trace import GramianRecord, Trace

MOST_STEPS = 400
# Factors that differ from one by less are averaging's, but for rounding.
_ROUNDING = 1e-9


def ready_actions(
    traces: Trace | Sequence[Trace],
    *,
    focal: str | None = None,
    use: Sequence[str] = ("pcgrad", "cagrad", "rcgrad"),
    shares: Sequence[float] = SHARES,
    options: Options = NO_OPTIONS,
    span: Span = Span.LATE,
    best: Sequence[int | None] | None = None,
    most: int = MOST_STEPS,
) -> tuple[Candidate, ...]:
    """Actions with their predicted effects, the most promising first, from runs that averaged.

    A prediction is the reduction of the held-out focal loss beyond averaging's over what the focal task's
    own gradients achieve, summed over `span` of each run and pooled over runs. It ranks actions; it does not
    say whether one is worth having, which training does. Measured minibatches need held-out rows of the focal
    task (`GradientProbe.measure(..., heldout=...)`). Where a trace has products in the optimiser's geometry
    they are used, with the learning rates beside them.

    Args:
        traces: one trace a run, all of the same tasks.
        focal: the focal task; default: the traces'.
        use: combiners to consider.
        shares: focal shares to consider.
        options: options of combiners, by name.
        span: the part of each run to read.
        best: the last step of each run's best validation epoch; None: its last measured step.
        most: the most measured steps of a run to read, evenly spread; combiners take time at each.

    Raises:
        InputError: no trace, no focal task, traces of other tasks, or no step with held-out focal rows.
    """
    runs = [traces] if isinstance(traces, Trace) else list(traces)
    ends = [None] * len(runs) if best is None else list(best)
    if not runs or len(ends) != len(runs):
        raise InputError(f"traces: expected one or more, with one `best` each, got {len(runs)}")
    focal = focal or runs[0].header.focal
    read = [_read(trace, focal, span, end, most) for trace, end in zip(runs, ends, strict=True)]
    tasks = read[0].trials.tasks
    if any(run.trials.tasks != tasks for run in read):
        raise InputError("traces: expected runs of the same tasks, got different ones")
    found = candidates(tasks, focal, use=use, shares=shares, options=options)
    known = _foretold(found, read, options)
    subset = _harmful(known)
    if subset is not None:
        known += _foretold([subset], read, options)
    return tuple(sorted(known, key=_height, reverse=True))


def _foretold(found: Sequence[Candidate], read: Sequence[_Read], options: Options) -> list[Candidate]:
    """Candidates with their predictions; without one where gradients cannot tell."""
    actions = [action_of(each, read[0].trials.tasks, options) for each in found]
    told = [action for action in actions if action is not None]
    if not told:
        return list(found)
    each_run = [effects(run.trials, told, rates=run.rates, steps=run.inside, every=run.every) for run in read]
    together = pooled([one.relative for one in each_run], [float(max(one.steps, 1)) for one in each_run])
    places = {action.name: place for place, action in enumerate(told)}
    known: list[Candidate] = []
    for each, action in zip(found, actions, strict=True):
        if action is None:
            known.append(each)
            continue
        foretold = _predicted(together, places[each.name], each_run)
        idle = all(_is_idle(action, run.trials) for run in read)
        known.append(replace(each, predicted=foretold, idle=idle))
    return known


def _harmful(known: Sequence[Candidate]) -> Candidate | None:
    """Without every auxiliary whose leaving out should help, if these are several but not all."""
    single = [each for each in known if len(each.weights) == 1 and 0.0 in each.weights.values()]
    harmful = [each for each in single if _height(each) > 0.0]
    if not 2 <= len(harmful) < len(single):
        return None
    return left_out([task for each in harmful for task in each.weights])


def _height(candidate: Candidate) -> float:
    effect = None if candidate.predicted is None else candidate.predicted.effect
    return -math.inf if effect is None else effect


def _predicted(together: Pooled, place: int, runs: Sequence[Effects]) -> Predicted:
    own = together.at(place)
    value, low, high = (
        float(number) if math.isfinite(number) else None for number in (own.values, own.low, own.high)
    )
    return Predicted(
        effect=value, low=low, high=high, runs=len(runs), reason=own.reason if value is None else ""
    )


@dataclass(frozen=True, eq=False)
class _Read:
    """The updates of a run, the learning rate [t] of each step if known, and which steps are in the span.

    A step that was read stands for `every` steps of training.
    """

    trials: Trials
    rates: FloatArray | None
    inside: BoolArray
    every: int


def _read(trace: Trace, focal: str, span: Span, end: int | None, most: int) -> _Read:
    judge = Group(focal, HELDOUT)
    plain = {record.step: record for record in trace.gramians if _usable(record, judge)}
    scaled = {record.step: record for record in trace.preconditioned if _usable(record, judge)}
    measured = [scaled[step] for step in scaled if step in plain] or list(plain.values())
    stride = -(-len(measured) // most) or 1
    kept = measured[::stride]
    if not focal or not kept:
        raise InputError(
            f"traces: expected measured minibatches with held-out rows of the focal task, got none of "
            f"{focal or 'any task'!r}; give heldout= to GradientProbe.measure"
        )
    steps = np.array([record.step for record in kept])
    products, judged = heldout_products([record.gramian for record in kept], focal=focal)
    weighed = TaskProducts.of([plain[int(step)].gramian for step in steps]) if scaled else None
    trials = heldout_trials(products, judged, focal=focal, weighed=weighed)
    last = None if end is None or not (steps <= end).any() else end
    every = stride * trace.header.every
    return _Read(trials, _rates(trace, steps), window_of_steps(steps, span, best=last), every)


def _usable(record: GramianRecord, judge: Group) -> bool:
    gramian: Gramian = record.gramian
    return record.split == "minibatch" and record.step >= 0 and judge in gramian.groups


def _rates(trace: Trace, steps: IntArray) -> FloatArray | None:
    """The learning rate [t] of every step; None where one is missing, or layers have their own."""
    known: Mapping[int, float] = {
        record.step: record.value
        for record in trace.quantities
        if record.name == "learning_rate" and not record.layer and math.isfinite(record.value)
    }
    if any(int(step) not in known for step in steps):
        return None
    return np.array([known[int(step)] for step in steps])


def _is_idle(action: Action, trials: Trials) -> bool:
    """Whether the action changes no update that reaches the focal task's parameters."""
    factors = action.factors(trials)
    changed = (np.abs(factors - 1.0) > _ROUNDING) & trials.present & ~trials.apart
    return bool(np.isfinite(factors).all() and not changed.any())
