"""Runs of minibatch Gramians with known mean gradients, and outcomes made of plain series of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradprobe.geometry import (
    Affinities,
    Comparison,
    Gain,
    Gramian,
    Group,
    ShareCurve,
    mean_over_steps,
    pooled,
)
from gradprobe.reports.compare.decision import SHARES, Outcome, Prediction
from gradprobe.reports.compare.trials import Rows
from gradprobe.trace import GramianRecord, Trace, TraceHeader

TASKS = ("focal", "b", "c")
WIDTH = 30


def means(cosines: Sequence[Sequence[float]]) -> np.ndarray:
    """Mean gradients [m, d] of length one with these cosines."""
    found = np.zeros((len(cosines), WIDTH))
    found[:, : len(cosines)] = np.linalg.cholesky(np.array(cosines) + 1e-9 * np.eye(len(cosines)))
    return found


def run(
    rng: np.random.Generator,
    gradients: np.ndarray | Sequence[np.ndarray],
    *,
    steps: int = 40,
    noise: float = 1.0,
    heldout: bool = True,
    tasks: Sequence[str] = TASKS,
) -> list[Gramian]:
    """A run's Gramians in folds of 8 rows; `gradients` [m, d] are the means of all steps, or of each in turn.

    A fold's gradient is off by noise of this length, that of the 16 held-out rows by 0.7 times it.
    """
    groups = [Group(task, fold) for task in tasks for fold in "AB"]
    groups += [Group(tasks[0], "H")] if heldout else []
    rows = (8,) * (2 * len(tasks)) + ((16,) if heldout else ())
    made = []
    for step in range(steps):
        own = gradients if isinstance(gradients, np.ndarray) else gradients[step % len(gradients)]
        folds = np.repeat(own, 2, axis=0) + noise * rng.normal(size=(2 * len(own), WIDTH)) / np.sqrt(WIDTH)
        judge = own[:1] + 0.7 * noise * rng.normal(size=(1, WIDTH)) / np.sqrt(WIDTH)
        every = np.concatenate([folds, judge]) if heldout else folds
        made.append(Gramian(tuple(groups), ("l",), (every @ every.T)[None], rows, (WIDTH,)))
    return made


def trace_of(gramians: Sequence[Gramian], **changes: object) -> Trace:
    known = {"focal": TASKS[0], "tasks": TASKS, "layers": ("l",), "parameters": (WIDTH,)}
    trace = Trace(header=TraceHeader(**{**known, **changes}))  # type: ignore[arg-type]
    for step, gramian in enumerate(gramians):
        losses = np.ones(len(gramian.groups))
        trace.append(GramianRecord(step, "minibatch", "loop", gramian, losses, epoch=0))
    return trace


def outcome(
    gains: Sequence[np.ndarray],
    controls: Sequence[np.ndarray] | None = None,
    averages: Sequence[np.ndarray] | None = None,
    *,
    rows: Rows = "heldout",
    undefined: int = 0,
    name: str = "rcgrad",
) -> Outcome:
    """The outcome of one combiner from its gains at each step of each run; averaging's own effect is 1."""
    controls = gains if controls is None else controls
    averages = [np.ones(len(each)) for each in gains] if averages is None else averages
    steps = [float(len(each)) for each in gains]

    def over_runs(series: Sequence[np.ndarray]):
        return pooled([mean_over_steps(each, np.ones(len(each))) for each in series], steps)

    def comparison(series: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> Comparison:
        average = over_runs(averages)
        return Comparison(average, average, average, over_runs(series), over_runs(other))

    zeros = [np.zeros(len(each)) for each in gains]
    found = comparison(gains, controls)
    own = Gain(found, found, 0.4, over_runs(zeros), int(sum(steps)), undefined)
    plain = comparison(zeros, zeros)
    flat = pooled(
        [mean_over_steps(np.zeros((len(e), SHARES.size)), np.ones((len(e), SHARES.size))) for e in gains],
        steps,
    )
    silent = pooled([mean_over_steps(np.zeros((len(e), 3)), np.ones((len(e), 3))) for e in gains], steps)
    return Outcome(
        rows=rows,
        predictions=(Prediction(name, True, own),),
        average=Gain(plain, plain, 1 / 3, over_runs(zeros), int(sum(steps)), 0),
        curve=ShareCurve(SHARES, flat, flat),
        affinities=Affinities(TASKS, TASKS[0], silent, np.zeros(3, dtype=np.bool_)),
        steps=int(sum(steps)),
        measured=int(sum(steps)),
        runs=len(gains),
    )
