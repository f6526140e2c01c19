"""How far a target's gradient is from the training gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.geometry.cosines import ZERO_GRADIENT
from gradprobe.graphs.editing.anchors import take_anchors
from gradprobe.graphs.editing.classifier import Classifier
from gradprobe.probes.inert import evaluating, inert

NAN = float("nan")


@dataclass(frozen=True)
class Discrepancy:
    """Target against training gradient, in both definitions there are, and their angle.

    `rmse` is ||g_train - g_target|| / sqrt(P) (Jiang et al. 2024); `relative` is ||g_train - g_target|| /
    ||g_train|| (its released code, there under the name RMSE). Both are mostly the length of the target's
    gradient, which is long at a wrong prediction of a fitted model; `cosine` is free of it. `reason`
    says why one is NaN.
    """

    rmse: float
    relative: float
    cosine: float
    reason: str = ""


def gradient_discrepancy(training: Tensor, target: Tensor) -> Discrepancy:
    """The discrepancy of two gradients [P]; `relative` and `cosine` are NaN for a zero one.

    >>> import torch
    >>> gradient_discrepancy(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])).relative
    1.6666666666666667
    """
    wide, other = training.double(), target.double()
    distance = float((wide - other).norm())
    length, own = float(wide.norm()), float(other.norm())
    return Discrepancy(
        rmse=distance / math.sqrt(wide.numel()),
        relative=distance / length if length > 0.0 else NAN,
        cosine=float(wide @ other) / length / own if length > 0.0 and own > 0.0 else NAN,
        reason="" if length > 0.0 and own > 0.0 else ZERO_GRADIENT,
    )


def measure_discrepancies(classifier: Classifier, items: Sequence[int]) -> tuple[Discrepancy, ...]:
    """The discrepancy of each item's gradient from the training gradient, in eval mode: one backward each.

    Raises:
        MeasurementError: a gradient is NaN or infinite.
    """
    with inert(classifier.model), evaluating(classifier.model):
        training = take_anchors(classifier, (classifier.train,)).gradients[0]
        return tuple(
            gradient_discrepancy(
                training, classifier.gradient(classifier.loss(torch.tensor([item], device=training.device)))
            )
            for item in items
        )
