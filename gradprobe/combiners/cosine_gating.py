"""Cosine gating: auxiliaries that point away from the focal gradient are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from gradprobe.combiners.average import average_weights
from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.options import check_choice
from gradprobe.combiners.presence import PresentTasks
from gradprobe.geometry.gramian import FloatArray

Reduction = Literal["mean", "sum", "weighted"]


@dataclass(frozen=True)
class CosineGating(PresentTaskCombiner):
    """Keep the focal gradient and every auxiliary whose cosine with it is not negative (Du et al. 2018).

    `reduction="mean"` (default) divides by the number kept, `"sum"` adds them up, `"weighted"` adds
    the focal gradient and max(0, cosine) times each auxiliary. A zero focal gradient
    gates nothing, since no cosine is defined; a missing focal task leaves the average of the present
    ones, whatever the reduction.

    The weights jump where a cosine changes sign: near-zero cosines of noisy batches flip whole tasks.

    Raises:
        InputError: an unknown reduction.
    """

    reduction: Reduction = "mean"
    name: ClassVar[str] = "cosine_gating"

    def __post_init__(self) -> None:
        check_choice("reduction", self.reduction, get_args(Reduction))

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Weights [p] that are 0 for the gated auxiliaries."""
        if tasks.focal is None:
            return average_weights(tasks)
        if self.reduction == "weighted":
            return _positive_cosines(tasks.gramian, tasks.focal)
        kept = (tasks.gramian[tasks.focal] >= 0.0).astype(np.float64)
        return np.asarray(kept / kept.sum()) if self.reduction == "mean" else kept


def _positive_cosines(gramian: FloatArray, focal: int) -> FloatArray:
    lengths = np.sqrt(np.diagonal(gramian))
    # An undefined cosine gates nothing; dividing by one length after the other avoids underflow.
    defined = (lengths > 0.0) & (lengths[focal] > 0.0)
    weights = np.ones(lengths.size)
    weights[defined] = np.clip(gramian[focal, defined] / lengths[defined] / lengths[focal], 0.0, 1.0)
    weights[focal] = 1.0
    return weights
