"""Predictions in the labels' own units, and their scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from gradprobe.data import SplitName
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


def evaluate(model: MultiTaskModel, data: TrainingData, split: SplitName) -> dict[str, Metrics]:
    """The scores of every task on its labels of a split; n is 0 where it has none."""
    scores = {}
    for task in data.tasks:
        rows = data.rows[split][task]
        score = classification_metrics if data.kinds[task] == "classification" else regression_metrics
        scores[task] = score(data.labels(task, rows), predict(model, data, task, rows))
    return scores


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
