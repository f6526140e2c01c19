"""The loss of every row of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from gradprobe.training.batches import Batch
from gradprobe.training.data import TrainingData
from gradprobe.training.model import device_of, on_device


class TaskLosses:
    """Per-row losses of a model on a batch: what both the loop and a probe call.

    Squared error of standardised targets for regression, cross-entropy of the logits for
    classification. Rows without a label never enter the arithmetic: NaN times zero is NaN.
    """

    def __init__(self, data: TrainingData) -> None:
        self._data = data
        self._targets = torch.from_numpy(data.targets)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Task -> losses [n] of the rows that carry it, from one forward pass."""
        device = device_of(model)
        inputs = on_device(self._data.features.batch(batch.molecules), device)
        positions = {task: torch.from_numpy(rows).to(device) for task, rows in batch.positions.items()}
        outputs: dict[str, Tensor] = model(inputs, positions)
        return {task: self._losses(task, output, batch) for task, output in outputs.items()}

    def _losses(self, task: str, output: Tensor, batch: Batch) -> Tensor:
        rows = torch.from_numpy(batch.rows(task))
        target = self._targets[rows, self._data.tasks.index(task)].to(output)
        if self._data.kinds[task] == "classification":
            return binary_cross_entropy_with_logits(output, target, reduction="none")
        return mse_loss(output, target, reduction="none")
