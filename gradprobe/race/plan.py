"""What a race fixes before its first training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from gradprobe.errors import InputError


@dataclass(frozen=True)
class Plan:
    """The actions that enter a race, the looks at its pairs, and the level of each look.

    A pair is one seed trained with averaging and with the action. `margin` is the smallest difference worth
    acting on, in units of the score. `level` is the chance that the race says anything false about any
    action at any look. It is split over looks by `spending`, whose parts add up to one, and evenly over all
    `actions`, those that will be dropped included (Bonferroni), so that neither looking early nor entering
    many actions costs anything hidden.

    Raises:
        InputError: no action, looks that do not grow from two pairs on, or a level that cannot be split.
    """

    actions: tuple[str, ...]
    margin: float
    looks: tuple[int, ...] = (3, 5, 8, 12)
    level: float = 0.05
    # Three pairs cannot show much at any level, so most of it waits for the later looks.
    spending: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)

    def __post_init__(self) -> None:
        if not self.actions or len(set(self.actions)) != len(self.actions):
            raise InputError(f"actions: expected distinct actions, at least one, got {list(self.actions)}")
        growing = all(one < other for one, other in pairwise(self.looks))
        if not self.looks or self.looks[0] < 2 or not growing:
            raise InputError(f"looks: expected growing numbers of pairs from 2 on, got {list(self.looks)}")
        if not 0.0 < self.level < 1.0:
            raise InputError(f"level: expected a number between 0 and 1, got {self.level}")
        if not self.margin > 0.0:
            raise InputError(f"margin: expected a positive difference of scores, got {self.margin}")
        whole = math.isclose(sum(self.spending), 1.0, rel_tol=1e-9)
        if len(self.spending) != len(self.looks) or not whole or min(self.spending) <= 0.0:
            raise InputError(
                f"spending: expected {len(self.looks)} positive parts that add up to 1, one a look, "
                f"got {list(self.spending)}"
            )

    def level_at(self, look: int) -> float:
        """The level of one action's interval at a look, counted from 0.

        >>> round(Plan(("focal alone", "drop CAR"), margin=0.02).level_at(0), 6)
        0.0025
        """
        return self.level * self.spending[look] / len(self.actions)
