"""Fixed weights: the control that gradient surgery has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradprobe.combiners.average import average_weights
from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.options import check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True)
class Weighted(PresentTaskCombiner):
    """Reweighted averaging: the weights depend on no gradient and sum to 1 over the present tasks.

    Give one of the two options. `focal_share`: the focal task's weight, between 0 and 1; the rest is
    divided equally among the present auxiliaries (the focal task alone gets everything; without it,
    the auxiliaries are averaged). `shares`: one non-negative number a task, in task order, divided by
    their sum over the present tasks; where only tasks of share 0 are present, all weights are 0.

    Raises:
        InputError: both options or neither, or values out of range.
    """

    focal_share: float | None = None
    shares: Sequence[float] | None = None
    name: ClassVar[str] = "weighted"
    needs_gramian: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.focal_share is None) == (self.shares is None):
            raise InputError(
                "weighted: expected exactly one of focal_share and shares, "
                f"got focal_share={self.focal_share!r}, shares={self.shares!r}"
            )
        if self.focal_share is not None:
            check_number("focal_share", self.focal_share, low=0.0, high=1.0)
        for share in self.shares or ():
            check_number("shares", share, low=0.0)
        if self.shares is not None and not sum(self.shares) > 0.0:
            raise InputError(f"shares: expected at least one positive number, got {list(self.shares)}")

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """The fixed weights [p], divided by their sum over the present tasks."""
        if self.shares is not None:
            return _renormalised(self.shares, tasks)
        return _with_focal_share(self.focal_share or 0.0, tasks)


def _with_focal_share(share: float, tasks: PresentTasks) -> FloatArray:
    count = tasks.rows.size
    if tasks.focal is None or count == 1:
        return average_weights(tasks)
    weights = np.full(count, (1.0 - share) / (count - 1))
    weights[tasks.focal] = share
    return weights


def _renormalised(shares: Sequence[float], tasks: PresentTasks) -> FloatArray:
    if len(shares) != tasks.size:
        raise InputError(f"shares: expected {tasks.size} numbers, one a task, got {len(shares)}")
    weights = np.asarray(shares, dtype=np.float64)[tasks.rows]
    total = float(weights.sum())
    return weights / total if total > 0.0 else weights
