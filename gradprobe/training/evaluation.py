"""Predictions in the labels' own units, and their scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gradprobe.data import SplitName
from gradprobe.data.task_labels import EXACT
from gradprobe.encoders.features import IntArray
from gradprobe.geometry import FloatArray
from gradprobe.training.batches import chunks
from gradprobe.training.data import TrainingData
from gradprobe.training.metrics import Metrics, classification_metrics, regression_metrics
from gradprobe.training.model import MultiTaskModel, device_of, on_device

# Molecules in a forward pass: large enough to be quick, small enough for any memory.
CHUNK = 256


def predict(model: MultiTaskModel, data: TrainingData, task: str, rows: IntArray) -> FloatArray:
    """Predictions [r] of a task for some molecules: in the label's unit, or a probability.

    In eval mode, which is left again; draws nothing from any random state.
    """
    device = device_of(model)
    outputs: list[FloatArray] = []
    with _evaluating(model), torch.no_grad():
        for batch in chunks({task: rows}, CHUNK):
            inputs = on_device(data.features.batch(batch.molecules), device)
            positions = torch.from_numpy(batch.positions[task]).to(device)
            outputs.append(model(inputs, {task: positions})[task].double().cpu().numpy())
    return data.predictions(task, np.concatenate(outputs) if outputs else np.zeros(0))


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions [r] of a task for the molecules `rows` [r], and their measured labels [r]."""

    rows: IntArray
    labels: FloatArray
    predictions: FloatArray


def predict_rows(model: MultiTaskModel, data: TrainingData, task: str, rows: IntArray) -> Predicted:
    """The predictions of a task for some molecules that have its label."""
    return Predicted(rows, data.labels(task, rows), predict(model, data, task, rows))


def predict_split(model: MultiTaskModel, data: TrainingData, split: SplitName) -> dict[str, Predicted]:
    """The predictions of every task for its labelled molecules of a split."""
    return {task: predict_rows(model, data, task, data.rows[split][task]) for task in data.tasks}


def score(predicted: Mapping[str, Predicted], data: TrainingData) -> dict[str, Metrics]:
    """The scores of every task's predictions; n is 0 where it has no label."""
    return {
        task: classification_metrics(own.labels, own.predictions)
        if data.kinds[task] == "classification"
        else regression_metrics(own.labels, own.predictions, train=_measured(data, task))
        for task, own in predicted.items()
    }


def evaluate(model: MultiTaskModel, data: TrainingData, split: SplitName) -> dict[str, Metrics]:
    """The scores of every task on its labels of a split; n is 0 where it has none."""
    return score(predict_split(model, data, split), data)


def _measured(data: TrainingData, task: str) -> FloatArray:
    """The train labels of a task, without bounds such as `<5`."""
    rows = data.rows["train"][task]
    return np.asarray(data.labels(task, rows)[data.targets[task].at(rows)[1] == EXACT])


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
