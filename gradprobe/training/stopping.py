"""When to stop, and which parameters to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from torch import Tensor, nn

from gradprobe.training.data import TrainingData
from gradprobe.training.evaluation import predict
from gradprobe.training.metrics import classification_metrics, relative_absolute_error
from gradprobe.training.model import MultiTaskModel

Criterion = Literal["rae", "auroc", "absolute_error"]


def choose_criterion(data: TrainingData) -> Criterion:
    """What is compared on the focal task's validation labels: RAE or AUROC.

    Where that is undefined, because all of them are equal, the mean absolute error of predictions or
    probabilities. It depends on the labels alone, so that it is the same throughout a run.
    """
    if len(np.unique(data.labels(data.focal, data.rows["validation"][data.focal]))) < 2:
        return "absolute_error"
    return "auroc" if data.kinds[data.focal] == "classification" else "rae"


def validation_score(model: MultiTaskModel, data: TrainingData, criterion: Criterion) -> float:
    """The criterion on the focal task's validation labels; NaN where a prediction is not finite."""
    rows = data.rows["validation"][data.focal]
    labels, predictions = data.labels(data.focal, rows), predict(model, data, data.focal, rows)
    if not np.isfinite(predictions).all():
        return float("nan")
    if criterion == "auroc":
        return classification_metrics(labels, predictions).auroc
    if criterion == "rae":
        return relative_absolute_error(labels, predictions)
    return float(np.abs(labels - predictions).mean())


class EarlyStopping:
    """Remembers the best epoch's parameters and gives up after `patience` epochs without a better one."""

    def __init__(self, model: nn.Module, criterion: Criterion, patience: int) -> None:
        self._model = model
        self._higher_is_better = criterion == "auroc"
        self._patience = patience
        self._best_score = float("nan")
        self._best_state: Mapping[str, Tensor] = {}
        self.best_epoch = -1

    def update(self, epoch: int, score: float) -> bool:
        """Take note of the score of an epoch; True if training should stop."""
        if self._is_better(score):
            self.best_epoch, self._best_score = epoch, score
            self._best_state = {
                name: value.detach().clone() for name, value in self._model.state_dict().items()
            }
        return epoch - self.best_epoch >= self._patience

    def restore(self) -> None:
        """Put the best epoch's parameters and buffers back."""
        self._model.load_state_dict(self._best_state)

    def _is_better(self, score: float) -> bool:
        if np.isnan(self._best_score):
            return True
        return score > self._best_score if self._higher_is_better else score < self._best_score
