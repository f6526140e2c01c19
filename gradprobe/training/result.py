"""What a run leaves behind besides the trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradprobe.training.metrics import Metrics
from gradprobe.training.stopping import Criterion


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: `losses` are each task's mean over the rows it had, as they were trained on.

    `steps` counts the steps since the start; `validation` is the focal validation score after them.
    """

    epoch: int
    steps: int
    losses: Mapping[str, float]
    validation: float


@dataclass(frozen=True)
class TrainingResult:
    """The learning curve, and the test scores of the best epoch's parameters.

    `criterion` names the validation score; `seconds` includes probing and evaluation.
    """

    history: tuple[EpochRecord, ...]
    criterion: Criterion
    best_epoch: int
    steps: int
    metrics: Mapping[str, Metrics]
    seconds: float
