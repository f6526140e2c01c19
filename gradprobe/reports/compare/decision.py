"""What each combiner would have done for the focal task, read off the runs that average (METHODS §7b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.errors import InputError
from gradprobe.geometry import (
    Affinities,
    BoolArray,
    FloatArray,
    Gain,
    Gramian,
    ShareCurve,
    Trials,
    affinities,
    gain,
    share_curve,
)
from gradprobe.geometry.decision import Weigh
from gradprobe.geometry.pooling import pooled_affinities, pooled_curve, pooled_gain
from gradprobe.reports.compare.candidates import AVERAGE, candidates
from gradprobe.reports.compare.corrected import NO_FOLDS, NOTHING, minibatches
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.trials import Rows, trials_of, usable
from gradprobe.trace import Trace

ROWS_NAMES: Mapping[Rows, str] = {"heldout": "held-out rows", "fresh": "fresh training rows"}
SHARES = np.linspace(0.0, 1.0, 11)
NO_HELDOUT = "no minibatch was measured with held-out rows of the focal task"
NO_JUDGED_STEP = "no measured step has the focal task, an auxiliary, and rows to judge an update on"
# Solvers of some combiners take time cubic in the tasks, and a few milliseconds with seven: an encoder's
# steps are thinned out to what takes seconds, evenly over each run.
_WORK = 4e7
_MOST_STEPS, _FEWEST_STEPS, _FEWEST_A_RUN = 600, 24, 8


@dataclass(frozen=True, eq=False)
class Prediction:
    """What steps of one combiner would have gained; None, with the `reason`, where it could not be tried."""

    combiner: str
    surgery: bool
    gain: Gain | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What would have been on one kind of `rows`, over all runs of an encoder.

    `average` is averaging's own gain, whose effects are the yardstick. `steps` are those judged and
    `measured` those that could be; estimates hold for the mean over these steps of these `runs`, each
    weighed by its steps.
    """

    rows: Rows
    predictions: tuple[Prediction, ...]
    average: Gain
    curve: ShareCurve
    affinities: Affinities
    steps: int
    measured: int
    runs: int

    @property
    def name(self) -> str:
        """The rows in words."""
        return ROWS_NAMES[self.rows]

    def of(self, combiner: str) -> Prediction | None:
        """The prediction for one combiner."""
        return next((found for found in self.predictions if found.combiner == combiner), None)


@dataclass(frozen=True, eq=False)
class Decision:
    """Outcomes on held-out and on fresh training rows; where one is None, its reason says why.

    On fresh rows an update is made from one fold of a minibatch and judged on the other, so it is the
    update of half the batch. `preconditioned` is the outcome in the optimiser's geometry, on held-out rows
    where there are some, for traces that have it.
    """

    heldout: Outcome | None
    fresh: Outcome | None
    no_heldout: str = ""
    no_fresh: str = ""
    preconditioned: Outcome | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those there are, held-out rows first."""
        return tuple(found for found in (self.heldout, self.fresh) if found is not None)


def decision_of(
    traces: Sequence[Trace], *, focal: str, options: Mapping[str, Mapping[str, Any]], nothing: str = ""
) -> Decision:
    """What the minibatch Gramians in an encoder's traces say, one trace a run that averages.

    `options` holds the options of combiners by name. `nothing` is a reason why these traces cannot tell.
    """
    runs = [minibatches(trace) for trace in traces]
    nothing = nothing or (NO_FOCAL if not focal else "" if any(runs) else NOTHING)
    if nothing:
        return Decision(None, None, nothing, nothing)
    heldout, folded = ([usable(run, rows, focal) for run in runs] for rows in ROWS_NAMES)
    return Decision(
        heldout=outcome_of(heldout, "heldout", focal=focal, options=options),
        fresh=outcome_of(folded, "fresh", focal=focal, options=options),
        no_heldout=NO_JUDGED_STEP if any(heldout) else NO_HELDOUT,
        no_fresh=NO_JUDGED_STEP if any(folded) else NO_FOLDS,
        preconditioned=_in_the_optimisers_geometry(traces, focal, options),
    )


def outcome_of(
    runs: Sequence[Sequence[Gramian]],
    rows: Rows,
    *,
    focal: str,
    options: Mapping[str, Mapping[str, Any]],
    weighed: Sequence[Sequence[Gramian]] | None = None,
) -> Outcome | None:
    """The outcome on one kind of rows from the Gramians of each run; None where nothing can be judged.

    A run's Gramians are all in folds for fresh rows, and with rows of the focal task held out for those.
    Where they are in an optimiser's geometry, `weighed` are the plain ones of the same steps.
    """
    plain = [run for run in weighed if run] if weighed is not None else None
    runs = [run for run in runs if run]
    together = [gramian for run in runs for gramian in run]
    if not any(focal in gramian.tasks and len(gramian.tasks) > 1 for gramian in together):
        return None
    tasks = len({task for gramian in together for task in gramian.tasks})
    limit = int(np.clip(_WORK / tasks**3, _FEWEST_STEPS, _MOST_STEPS)) // len(runs)
    limit = max(limit, _FEWEST_A_RUN)
    thinned = [_spread(run, limit) for run in runs]
    own_weights = None if plain is None else [_spread(run, limit) for run in plain]
    trials = [each for each in trials_of(thinned, own_weights, rows, focal) if each.gramians.size]
    if not trials:
        return None
    weights = [float(each.steps) for each in trials]
    own = weigher(combiners.get(AVERAGE))
    return Outcome(
        rows=rows,
        predictions=tuple(
            Prediction(name, False, None, reason)
            if combiner is None
            else _prediction(name, combiner, trials, weights)
            for name, combiner, reason in candidates(options)
        ),
        average=pooled_gain([gain(each, own) for each in trials], weights),
        curve=pooled_curve([share_curve(each, SHARES) for each in trials], weights),
        affinities=pooled_affinities([affinities(each) for each in trials], weights),
        steps=sum(each.steps for each in trials),
        measured=len(together),
        runs=len(trials),
    )


def weigher(combiner: Combiner) -> Weigh:
    """The combiner as the geometry calls it."""

    def weigh(gramian: FloatArray, present: BoolArray, focal: int) -> FloatArray:
        return combiner.weights(gramian, focal=focal, present=present)

    return weigh


def _prediction(
    name: str, combiner: Combiner, trials: Sequence[Trials], weights: Sequence[float]
) -> Prediction:
    try:
        gains = [gain(each, weigher(combiner)) for each in trials]
    except InputError as error:
        return Prediction(name, combiner.needs_gramian, None, str(error))
    return Prediction(name, combiner.needs_gramian, pooled_gain(gains, weights))


def _in_the_optimisers_geometry(
    traces: Sequence[Trace], focal: str, options: Mapping[str, Mapping[str, Any]]
) -> Outcome | None:
    """The outcome in the optimiser's geometry, on held-out rows if there are any, else on fresh ones."""
    pairs = []
    for trace in traces:
        plain = {r.step: r.gramian for r in trace.gramians if r.split == "minibatch"}
        scaled = [r for r in trace.preconditioned if r.split == "minibatch" and r.step in plain]
        pairs.append([(r.gramian, plain[r.step]) for r in scaled if r.step >= 0])
    for rows in ROWS_NAMES:
        kept = [[pair for pair in run if usable(pair[:1], rows, focal)] for run in pairs]
        if any(kept):
            scaled_runs, plain_runs = ([[pair[k] for pair in run] for run in kept] for k in range(2))
            return outcome_of(scaled_runs, rows, focal=focal, options=options, weighed=plain_runs)
    return None


def _spread(run: Sequence[Gramian], limit: int) -> Sequence[Gramian]:
    """The whole run, or so many steps evenly spread over it."""
    if len(run) <= limit:
        return run
    return [run[i] for i in np.linspace(0, len(run) - 1, limit).astype(int)]
