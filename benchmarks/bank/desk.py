"""What a policy may ask for, and what it is charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .problem import Array, Choice, Problem
from .training import STEPS, Probed, probed, train

# Seeds from here on are the truth's: no policy trains with them.
TRUTH_SEEDS = 1000


@dataclass
class Desk:
    """Trainings of one problem, charged in full trainings; a policy sees judged rows, never the true risk."""

    problem: Problem
    cost: float = 0.0
    _probed: dict[int, Probed] = field(default_factory=dict)

    def judged(self, choice: Choice, seeds: Sequence[int], *, steps: int = STEPS) -> Array:
        """The focal mean squared error [s] on each seed's judging rows."""
        self._check(seeds)
        found = train(self.problem, choice, np.asarray(seeds), steps=steps)
        self.cost += found.cost
        return found.judged

    def probe(self, seed: int) -> Probed:
        """A probed averaging run, charged once."""
        self._check([seed])
        if seed not in self._probed:
            self._probed[seed] = probed(self.problem, seed)
            self.cost += self._probed[seed].result.cost
        return self._probed[seed]

    def _check(self, seeds: Sequence[int]) -> None:
        if max(seeds) >= TRUTH_SEEDS:
            raise ValueError(
                f"seeds: expected numbers below {TRUTH_SEEDS}, which are the truth's, got {max(seeds)}"
            )


@dataclass(frozen=True)
class Decision:
    """What a policy recommends: a choice by name, whether it calls the question settled, and as what.

    `claim` is "ahead", "equivalent" or "" for not settled. `harmful` are the auxiliaries it says harm.
    """

    choice: str
    claim: str = ""
    harmful: frozenset[str] = frozenset()
    cost: float = 0.0


class Policy(Protocol):
    """Decides a problem by what it asks of the desk."""

    @property
    def name(self) -> str:
        """For the table."""

    def decide(self, desk: Desk) -> Decision:
        """The decision; the desk adds the cost."""


class Scorer(Protocol):
    """Gives each choice but averaging a number, positive where it should help; a threshold is fitted to it.

    `scores(desk)` -> choice -> score; the policy takes the highest, if it is above the threshold that the
    other families' problems would have been served best by.
    """

    @property
    def name(self) -> str:
        """For the table."""

    def scores(self, desk: Desk) -> Mapping[str, float]:
        """Scores by choice."""


@dataclass(frozen=True)
class Truth:
    """Log reductions of the true excess risk [s] of every choice but averaging, paired by truth seed."""

    problem: Problem
    reductions: Mapping[str, Array]

    def effect(self, choice: str, part: slice = slice(None)) -> float:
        """The true effect of a choice; exactly 0 for averaging and where the focal task is kept apart.

        A combiner may still change the focal task's step lengths there, which is no help from auxiliaries.
        """
        if self.problem.null or choice not in self.reductions:
            return 0.0
        return float(np.mean(self.reductions[choice][part]))


def truth(problem: Problem, seeds: int, *, combiners: bool = True) -> Truth:
    """The truth from so many fresh seeds."""
    numbers = TRUTH_SEEDS + np.arange(seeds)
    base = train(problem, problem.choices[0], numbers).risk
    others = [choice for choice in problem.choices[1:] if choice.factors or combiners]
    found = {choice.name: np.log(base / train(problem, choice, numbers).risk) for choice in others}
    return Truth(problem, found)
