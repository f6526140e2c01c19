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
    classification. A bound costs only what lies beyond it (`one_sided_squares`). Rows without a label never
    enter the arithmetic: NaN times zero is NaN.
    """

    def __init__(self, data: TrainingData) -> None:
        self._data = data

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Task -> losses [n] of the rows that carry it, from one forward pass."""
        device = device_of(model)
        inputs = on_device(self._data.features.batch(batch.molecules), device)
        positions = {task: torch.from_numpy(rows).to(device) for task, rows in batch.positions.items()}
        outputs: dict[str, Tensor] = model(inputs, positions)
        return {task: self._losses(task, output, batch) for task, output in outputs.items()}

    def _losses(self, task: str, output: Tensor, batch: Batch) -> Tensor:
        values, bounds = self._data.targets[task].at(batch.rows(task))
        target = torch.from_numpy(values).to(output)
        if self._data.kinds[task] == "classification":
            return binary_cross_entropy_with_logits(output, target, reduction="none")
        if bounds.any():
            return one_sided_squares(output, target, torch.from_numpy(bounds).to(output.device))
        return mse_loss(output, target, reduction="none")


def one_sided_squares(output: Tensor, target: Tensor, bounds: Tensor) -> Tensor:
    """Squared errors [n] of outputs [n], of which a bound counts only what lies beyond it.

    A bound of -1 (`<5`) is met by any output at or below the target, 1 (`>5`) by any at or above it: there
    the loss and its gradient are zero. This is the limit of the Tobit likelihood (Tobin 1958, Econometrica
    26, 24) of small noise, on the scale of the squared error; it needs no estimate of the noise.
    """
    error = output - target
    beyond = torch.where(bounds == 0, error, torch.relu(error * -bounds.to(error)))
    return beyond.square()
