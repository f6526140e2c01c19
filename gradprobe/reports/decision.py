"""What each combiner would have done for the focal task, read off the runs that average (METHODS §7b)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.errors import InputError
from gradprobe.geometry import (
    Affinities,
    BoolArray,
    FloatArray,
    FoldProducts,
    Gain,
    Gramian,
    Group,
    ShareCurve,
    TaskProducts,
    Trials,
    affinities,
    fresh_trials,
    gain,
    heldout_trials,
    share_curve,
)
from gradprobe.geometry.decision import Weigh
from gradprobe.geometry.gramian import HELDOUT
from gradprobe.geometry.pooling import pooled_affinities, pooled_curve, pooled_gain
from gradprobe.geometry.window import heldout_products
from gradprobe.reports.candidates import AVERAGE, candidates
from gradprobe.reports.corrected import NO_FOLDS, NOTHING, in_folds, minibatches
from gradprobe.reports.measured import NO_FOCAL
from gradprobe.trace import Trace

Rows = Literal["heldout", "fresh"]
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
    update of half the batch.
    """

    heldout: Outcome | None
    fresh: Outcome | None
    no_heldout: str = ""
    no_fresh: str = ""

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
    heldout = [[g for g in run if Group(focal, HELDOUT) in g.groups] for run in runs]
    folded = [[g for g in run if in_folds(g)] for run in runs]
    return Decision(
        heldout=outcome_of(heldout, "heldout", focal=focal, options=options),
        fresh=outcome_of(folded, "fresh", focal=focal, options=options),
        no_heldout=NO_JUDGED_STEP if any(heldout) else NO_HELDOUT,
        no_fresh=NO_JUDGED_STEP if any(folded) else NO_FOLDS,
    )


def outcome_of(
    runs: Sequence[Sequence[Gramian]], rows: Rows, *, focal: str, options: Mapping[str, Mapping[str, Any]]
) -> Outcome | None:
    """The outcome on one kind of rows from the Gramians of each run; None where nothing can be judged.

    A run's Gramians are all in folds for fresh rows, and with rows of the focal task held out for those.
    """
    runs = [run for run in runs if run]
    together = [gramian for run in runs for gramian in run]
    if not any(focal in gramian.tasks and len(gramian.tasks) > 1 for gramian in together):
        return None
    tasks = len({task for gramian in together for task in gramian.tasks})
    limit = int(np.clip(_WORK / tasks**3, _FEWEST_STEPS, _MOST_STEPS)) // len(runs)
    thinned = [_spread(run, max(limit, _FEWEST_A_RUN)) for run in runs]
    trials = [each for each in _trials(thinned, rows, focal) if each.gramians.size]
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


def _trials(runs: Sequence[Sequence[Gramian]], rows: Rows, focal: str) -> Iterator[Trials]:
    """The trials of each run, all over the same tasks in the same order."""
    together = [gramian for run in runs for gramian in run]
    ends = np.cumsum([len(run) for run in runs])[:-1]
    if rows == "fresh":
        folds = FoldProducts.of(together)
        for values, counts in zip(np.split(folds.values, ends), np.split(folds.rows, ends), strict=True):
            yield fresh_trials(FoldProducts(folds.tasks, values, counts), focal=focal)
        return
    whole, effects = heldout_products(together, focal=focal)
    parts = (np.split(each, ends) for each in (whole.values, whole.present, effects))
    for values, present, own in zip(*parts, strict=True):
        yield heldout_trials(TaskProducts(whole.tasks, values, present), own, focal=focal)


def _spread(run: Sequence[Gramian], limit: int) -> Sequence[Gramian]:
    """The whole run, or so many steps evenly spread over it."""
    if len(run) <= limit:
        return run
    return [run[i] for i in np.linspace(0, len(run) - 1, limit).astype(int)]
