"""What a decision fixes before its first training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradprobe.errors import InputError
from gradprobe.race import Plan


@dataclass(frozen=True)
class Rules:
    """How actions are weighed. Nothing here depends on any score.

    Args:
        higher_is_better: whether a higher score is better, as for AUROC; False for errors.
        margin: the smallest improvement worth a change.
        relative: whether improvements are parts of averaging's score of the same seed (0.02 is 2 %) or
            differences of scores.
        trainings: what may be spent, in full trainings; None: no limit.
        enter: the most actions that enter the race; those given first, or the best pilots.
        pilot: the part of a full training that a pilot takes, on one seed apart; 0: no pilots. They are run
            only where more actions are given than can enter.
        judges: pairs of the action ahead that are trained after it was chosen. Its effect comes from them.
        looks, level, spending: see `race.Plan`.
        first_seed: the lowest seed of all. Seeds below it may have been used to predict.
        before: trainings already spent, on probed runs say.

    Raises:
        InputError: a number out of range.
    """

    higher_is_better: bool
    margin: float = 0.02
    relative: bool = True
    trainings: float | None = None
    enter: int = 4
    pilot: float = 0.0
    judges: int = 5
    looks: tuple[int, ...] = (3, 5, 8, 12)
    level: float = 0.05
    spending: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    first_seed: int = 0
    before: float = 0.0

    def __post_init__(self) -> None:
        self.plan(("any",))  # it checks looks, level, margin and spending
        if self.judges < 2:
            raise InputError(f"judges: expected at least 2 pairs, which have a spread, got {self.judges}")
        if self.enter < 1:
            raise InputError(f"enter: expected at least one action, got {self.enter}")
        if not 0.0 <= self.pilot < 1.0:
            raise InputError(f"pilot: expected a part of a training from 0 to below 1, got {self.pilot}")
        if self.trainings is not None and not self.trainings > 0.0:
            raise InputError(f"trainings: expected a positive number, got {self.trainings}")

    def plan(self, actions: tuple[str, ...]) -> Plan:
        """The race of these actions."""
        return Plan(actions, self.margin, looks=self.looks, level=self.level, spending=self.spending)

    def improvement(self, score: float, averaging: float) -> float:
        """How much better a score is than averaging's; NaN where one is missing or there is no ratio.

        >>> Rules(higher_is_better=False).improvement(0.375, 0.5)
        0.25
        """
        found = score - averaging if self.higher_is_better else averaging - score
        if not self.relative:
            return found
        return found / averaging if averaging > 0.0 else math.nan

    def affordable(self, cost: float) -> bool:
        """Whether so many trainings in all are within what may be spent."""
        return self.trainings is None or self.before + cost <= self.trainings + 1e-9
