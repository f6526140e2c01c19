"""Noise-corrected cosines of one encoder beside the raw ones, from minibatches measured in folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import (
    CorrectedCosines,
    Estimate,
    FoldProducts,
    Gramian,
    Signal,
    corrected_cosines,
    signal,
)
from gradprobe.geometry.intervals import NO_STEP
from gradprobe.reports.compare.batch_sizes import BatchSizes, batch_sizes_of
from gradprobe.reports.compare.corrected_detail import CorrectedDetail, detail_of
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.statistics.seeds import NAN
from gradprobe.trace import Trace

NOTHING = "no minibatch was measured"
NO_FOLDS = (
    "minibatches were measured whole, so that their noise cannot be told from signal; "
    "in a loop of your own, pass rows= to measure (see Folds in the documentation)"
)
NO_FOCAL_FOLDS = "no step measured in folds has the focal task and an auxiliary"
# Products of so many pairs of tasks fit into memory: with hundreds of tasks, steps are thinned out.
_PRODUCTS = 1e7
_FEWEST_STEPS = 100


@dataclass(frozen=True)
class CorrectedCosine:
    """The cosine of the focal task with one auxiliary over a window: raw, and corrected for noise.

    `low` to `high` is the corrected one's 95 % interval, infinite where no value is excluded. `trusted`
    and `nonzero` (distinguishable from zero) are as for `gradprobe.geometry.CorrectedCosines`; `short` marks
    intervals that are too narrow because steps are correlated over too long. Numbers are NaN where
    undefined, and `reason` says why.
    """

    task: str
    raw: float
    corrected: float
    low: float
    high: float
    trusted: bool
    nonzero: bool
    short: bool
    reason: str


@dataclass(frozen=True, eq=False)
class TaskSignal:
    """The signal share of one task's minibatch gradient and its noise scale in rows, with intervals.

    None for a task that no step of the window has.
    """

    task: str
    share: Estimate | None
    scale: Estimate | None


@dataclass(frozen=True, eq=False)
class Corrected:
    """Cosines of all auxiliaries and signals of all tasks, in the report's order, over one window.

    The window is the steps from 0 on of all `runs`, one run after the other; `steps` of the `measured`
    ones count. `detail` are all pairs and layers, `sizes` what other batch sizes would show. Where nothing
    can be corrected, there are none of these and `reason` says why.
    """

    cosines: tuple[CorrectedCosine, ...]
    signals: tuple[TaskSignal, ...]
    steps: int
    measured: int
    runs: int
    reason: str = ""
    detail: CorrectedDetail | None = None
    sizes: BatchSizes | None = None


def corrected_of(traces: Sequence[Trace], tasks: Sequence[str], *, focal: str) -> Corrected:
    """What the folds in an encoder's traces say; `tasks` names the focal task first."""
    by_run = [minibatches(trace) for trace in traces]
    folded = [[gramian for gramian in run if in_folds(gramian)] for run in by_run]
    measured, runs = sum(map(len, by_run)), sum(map(bool, folded))
    window = _thinned([gramian for run in folded for gramian in run], len(tasks))
    reason = _obstacle(window, measured, focal)
    if reason:
        return Corrected((), (), 0, measured, runs, reason)
    folds = FoldProducts.of(window)
    cosines = corrected_cosines(folds, focal=focal)
    signals = signal(folds)
    return Corrected(
        cosines=tuple(_cosine(cosines, task) for task in tasks[1:]),
        signals=tuple(_signal(signals, task) for task in tasks),
        steps=len(window),
        measured=measured,
        runs=runs,
        detail=detail_of(window, tasks, focal=focal),
        sizes=batch_sizes_of(folds, tasks, focal=focal),
    )


def minibatches(trace: Trace) -> list[Gramian]:
    """The Gramians of a run's measured minibatches from step 0 on."""
    return [record.gramian for record in trace.gramians if record.split == "minibatch" and record.step >= 0]


def in_folds(gramian: Gramian) -> bool:
    """Whether every task of the step was measured in folds."""
    return all(group.fold for group in gramian.groups)


def _thinned(window: Sequence[Gramian], tasks: int) -> Sequence[Gramian]:
    """The whole window, or as many evenly spread steps as fit into memory."""
    limit = max(_FEWEST_STEPS, int(_PRODUCTS / tasks**2)) if tasks else 0
    if len(window) <= limit:
        return window
    return [window[i] for i in np.linspace(0, len(window) - 1, limit).astype(int)]


def _obstacle(window: Sequence[Gramian], measured: int, focal: str) -> str:
    if not focal:
        return NO_FOCAL
    if not measured:
        return NOTHING
    if not window:
        return NO_FOLDS
    together = any(focal in gramian.tasks and len(gramian.tasks) > 1 for gramian in window)
    return "" if together else NO_FOCAL_FOLDS


def _cosine(found: CorrectedCosines, task: str) -> CorrectedCosine:
    place = next((k for k, (_, other) in enumerate(found.pairs) if other == task), None)
    if place is None:
        return CorrectedCosine(task, NAN, NAN, NAN, NAN, False, False, False, NO_STEP)
    estimate = found.cosines.at(place)
    return CorrectedCosine(
        task=task,
        raw=float(found.raw.values[place]),
        corrected=float(estimate.values),
        low=float(estimate.low),
        high=float(estimate.high),
        trusted=bool(found.trusted[place]),
        nonzero=bool(found.nonzero[place]),
        short=bool(estimate.short),
        reason=estimate.reason,
    )


def _signal(found: Signal, task: str) -> TaskSignal:
    if task not in found.tasks:
        return TaskSignal(task, None, None)
    place = found.tasks.index(task)
    return TaskSignal(task, found.share.at(place), found.scale.at(place))
