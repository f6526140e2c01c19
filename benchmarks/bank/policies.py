"""Policies that need no report: the fixed ones, the conflict rate, and three seeds of everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .desk import Decision, Desk
from .predictors import conflict_rate
from .problem import AVERAGE

CONFLICT_RATE = 0.3


@dataclass(frozen=True)
class Always:
    """The same choice for every problem."""

    choice: str

    @property
    def name(self) -> str:
        """For the table."""
        return f"always {self.choice}"

    def decide(self, _: Desk) -> Decision:
        """The choice, for the price of training it."""
        return Decision(self.choice, cost=1.0)


@dataclass(frozen=True)
class ConflictRate:
    """Focal alone where more than 30 % of focal products are negative over two probed runs."""

    name: str = "conflict rate > 30 %"

    def decide(self, desk: Desk) -> Decision:
        """The decision of the folklore rule."""
        rate = conflict_rate([desk.probe(seed) for seed in (0, 1)])
        return Decision("focal alone" if rate > CONFLICT_RATE else AVERAGE)


@dataclass(frozen=True)
class BestOfSeeds:
    """Train every choice with the same few seeds, and take the best judged mean."""

    seeds: int = 3

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.seeds} seeds of everything"

    def decide(self, desk: Desk) -> Decision:
        """The choice with the lowest judged error."""
        choices = desk.problem.choices
        judged = [float(np.mean(np.log(desk.judged(choice, range(self.seeds))))) for choice in choices]
        return Decision(choices[int(np.argmin(judged))].name, "ahead")
