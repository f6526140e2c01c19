"""Scores of choices read off probed averaging runs: effects in each window and geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe import combiners
from gradprobe.geometry import (
    Action,
    Span,
    combine,
    drop,
    effects,
    focal_alone,
    focal_share,
    heldout_products,
    heldout_trials,
    window_of_steps,
)

from .desk import Desk
from .problem import FOCAL, Choice, Problem
from .training import Probed


@dataclass(frozen=True)
class EffectScores:
    """Mean relative effects of every choice over probed runs of `seeds`, in one window and geometry.

    `moments`: "plain", "averaging" (Adam's diagonal as it was) or "own" (each candidate's).
    """

    span: Span = Span.LATE
    moments: str = "averaging"
    seeds: tuple[int, ...] = (0, 1)

    @property
    def name(self) -> str:
        """For the table."""
        return f"effects, {self.span.value}, {self.moments} moments"

    def scores(self, desk: Desk) -> Mapping[str, float]:
        """The mean over runs of each choice's relative effect; 0 where a run has none."""
        runs = [
            relative_effects(desk.problem, desk.probe(seed), self.span, self.moments) for seed in self.seeds
        ]
        return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def relative_effects(problem: Problem, run: Probed, span: Span, moments: str) -> dict[str, float]:
    """Effect of each choice over the sum of the tasks' parts in size, so that late windows have one too."""
    records = run.trace.gramians if moments == "plain" else run.trace.preconditioned
    products, judged = heldout_products([record.gramian for record in records], focal=FOCAL)
    plain, _ = heldout_products([record.gramian for record in run.trace.gramians], focal=FOCAL)
    trials = heldout_trials(products, judged, focal=FOCAL, weighed=plain)
    steps = np.array([record.step for record in records])
    inside = window_of_steps(steps, span, best=int(run.result.best[0]))
    rates = np.full(len(steps), run.rate)
    choices = [choice for choice in problem.choices[1:] if moments != "own" or choice.name in run.candidates]
    found = effects(
        trials,
        [action(problem, choice) for choice in choices],
        rates=rates,
        steps=inside,
        own_moments=run.own_moments if moments == "own" else None,
    )
    # Changes over what all tasks' parts sum to in size: a focal part near zero late in a run has no ratio.
    scale = float(np.sum(np.abs(found.tasks_relative.values * float(found.own))))
    whole = scale if np.isfinite(scale) and scale > 0.0 else abs(float(found.own)) or 1.0
    return {
        choice.name: float(np.nan_to_num(value / whole))
        for choice, value in zip(choices, found.changes.values, strict=True)
    }


def action(problem: Problem, choice: Choice) -> Action:
    """A choice of the bank as an action of the library."""
    if choice.combiner:
        combiner = combiners.get(choice.combiner)
        return combine(
            choice.name, lambda g, present, focal: combiner.weights(g, focal=focal, present=present)
        )
    if choice.name == "focal alone":
        return focal_alone()
    if choice.name.startswith("focal share"):
        return focal_share(float(choice.name.rsplit(" ", 1)[1]))
    return drop([task for task, factor in zip(problem.tasks, choice.factors, strict=True) if factor == 0.0])


def conflict_rate(runs: Sequence[Probed]) -> float:
    """The share of measured pairs of the focal task and an auxiliary whose minibatch product is negative."""
    parts = []
    for run in runs:
        for record in run.trace.gramians:
            gramian = record.gramian.by_task()
            row = gramian.tasks.index(FOCAL)
            parts.append(np.delete(gramian.total[row], row) < 0.0)
    return float(np.mean(parts))
