"""What trainings brought and what they took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from gradprobe.decisions.course import AVERAGE, Run


@dataclass(frozen=True)
class Ended:
    """One training that ended: its score, NaN where it failed, with the reason in `problem`."""

    score: float
    seconds: float
    problem: str = ""


@dataclass
class Ledger:
    """Every training so far, the failed ones too."""

    runs: dict[Run, Ended] = field(default_factory=dict)

    @property
    def scores(self) -> Mapping[Run, float]:
        """The scores by training; NaN where it failed."""
        return {run: ended.score for run, ended in self.runs.items()}

    @property
    def trainings(self) -> float:
        """The cost in full trainings."""
        return sum(run.share for run in self.runs)

    @property
    def seconds(self) -> float:
        """The time that trainings took, one after the other."""
        return sum(ended.seconds for ended in self.runs.values())

    def seconds_of(self, action: str) -> float | None:
        """The median time of the action's full trainings that did not fail; None where there is none.

        The first training of a process also loads libraries, which a mean would charge the action with.
        """
        times = [
            ended.seconds
            for run, ended in self.runs.items()
            if run.action == action and run.share == 1.0 and not math.isnan(ended.score)
        ]
        return median(times) if times else None

    def relative_cost(self, action: str) -> float | None:
        """The action's time over averaging's; None where one of them was not trained."""
        own, other = self.seconds_of(action), self.seconds_of(AVERAGE)
        return own / other if own is not None and other else None

    def problems(self) -> tuple[str, ...]:
        """What failed, with the reason."""
        return tuple(
            f"{run.action}, seed {run.seed}: {ended.problem}"
            for run, ended in self.runs.items()
            if ended.problem
        )
