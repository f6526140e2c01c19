"""One update: the trunk's by a combiner, each head's by its own task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gradprobe.combiners import Combiner
from gradprobe.geometry import FloatArray
from gradprobe.gradients import Engine, RowwiseEngine, check_finite, select_parameters
from gradprobe.training.model import MultiTaskModel


class CombinedUpdate:
    """Fills `.grad` of a model from the losses of a step.

    The trunk gets the combiner's weighted sum of task gradients, each head the raw gradient of its
    own task. A combiner that averages makes the trunk's gradient m times smaller than the summed
    losses would; under Adam that scale does not matter. Tasks without a loss in a step are missing,
    not zero: the combiner is told, and their heads keep `.grad = None` and are not stepped.
    """

    def __init__(
        self, model: MultiTaskModel, combiner: Combiner, *, focal: str, engine: Engine | None = None
    ) -> None:
        self._tasks = model.tasks
        self._focal = model.tasks.index(focal)
        self._trunk = select_parameters(model, model.encoder)
        self._heads = list(model.heads.parameters())
        self._combiner = combiner
        self._engine: Engine = RowwiseEngine() if engine is None else engine

    def __call__(self, losses: Mapping[str, Tensor]) -> FloatArray:
        """Set the gradients from scalar losses of the tasks present; returns the weights [m] used.

        Raises:
            MeasurementError: a task gradient is NaN or infinite, if the combiner looks at gradients.
        """
        ordered = {task: losses[task] for task in self._tasks if task in losses}
        if self._combiner.needs_gramian:
            weights, trunk = self._from_gramian(ordered)
        else:
            weights, trunk = self._weighted_backward(ordered)
        for parameter, gradient in zip(self._trunk.parameters, trunk, strict=True):
            parameter.grad = gradient
        return weights

    def _from_gramian(self, losses: dict[str, Tensor]) -> tuple[FloatArray, list[Tensor | None]]:
        capture = self._engine.capture(list(losses.values()), self._trunk)
        index = [self._tasks.index(task) for task in losses]
        values = capture.gramian()
        check_finite(values, list(losses), self._trunk.layers)
        gramian = np.zeros((len(self._tasks), len(self._tasks)))
        gramian[np.ix_(index, index)] = values.sum(axis=0)
        weights = self._weights(gramian, losses)
        self._set_heads(losses, keep_graph=False)
        return weights, capture.combined(weights[index])

    def _weighted_backward(self, losses: dict[str, Tensor]) -> tuple[FloatArray, list[Tensor | None]]:
        """One backward pass: weights that need no Gramian are known before any gradient."""
        weights = self._weights(np.zeros((len(self._tasks), len(self._tasks))), losses)
        self._set_heads(losses, keep_graph=True)
        weighted = [loss * float(weights[self._tasks.index(task)]) for task, loss in losses.items()]
        total = torch.stack(weighted).sum()
        return weights, list(torch.autograd.grad(total, self._trunk.parameters, allow_unused=True))

    def _weights(self, gramian: FloatArray, losses: dict[str, Tensor]) -> FloatArray:
        present = np.array([task in losses for task in self._tasks])
        values = np.array([losses[task].item() if task in losses else np.nan for task in self._tasks])
        return self._combiner.weights(gramian, focal=self._focal, present=present, losses=values)

    def _set_heads(self, losses: dict[str, Tensor], *, keep_graph: bool) -> None:
        """The sum's gradient is each head's own: no other task's loss reaches it."""
        total = torch.stack(list(losses.values())).sum()
        found = torch.autograd.grad(total, self._heads, retain_graph=keep_graph, allow_unused=True)
        for parameter, gradient in zip(self._heads, found, strict=True):
            parameter.grad = gradient
