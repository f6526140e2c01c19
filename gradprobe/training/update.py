"""One update: the trunk's by a combiner, each head's by its own task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.combiners import Combiner
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.gradients import Engine, RowwiseEngine, check_finite, select_parameters


class CombinedUpdate:
    """Fills `.grad` of a model from the losses of a step, in the bundled loop or in anyone's.

    Call it where `backward` would be called, with scalar losses; then step the optimiser. The trunk
    gets the combiner's weighted sum of task gradients, every other parameter the raw gradient of the
    losses that reach it, which for a head is its own task's. Costs about one and a half backward
    passes where the rows of a batch stay apart (`RowwiseEngine`), however many tasks there are.

    A combiner that averages makes the trunk's gradient m times smaller than the summed losses would;
    under Adam that scale does not matter. Tasks without a loss in a step are missing, not zero: the
    combiner is told, and their heads keep `.grad = None` and are not stepped.

    Args:
        model: the model in training.
        combiner: from `gradprobe.combiners.get`.
        tasks: the names of all tasks, in the combiner's order.
        focal: the focal task among them.
        shared: the trunk: a module of the model, or parameters.
        engine: what computes the task gradients.

    Raises:
        InputError: the focal task is not among the tasks, or the trunk is not the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        combiner: Combiner,
        *,
        tasks: Sequence[str],
        focal: str,
        shared: nn.Module | Iterable[nn.Parameter],
        engine: Engine | None = None,
    ) -> None:
        if focal not in tasks:
            raise InputError(f"focal: expected one of {list(tasks)}, got {focal!r}")
        self._tasks = tuple(tasks)
        self._focal = self._tasks.index(focal)
        self._trunk = select_parameters(model, shared)
        trunk = {id(parameter) for parameter in self._trunk.parameters}
        self._heads = [p for p in model.parameters() if p.requires_grad and id(p) not in trunk]
        self._combiner = combiner
        self._engine: Engine = RowwiseEngine() if engine is None else engine

    def __call__(self, losses: Mapping[str, Tensor]) -> FloatArray:
        """Set the gradients from scalar losses of the tasks present; returns the weights [m] used.

        Raises:
            InputError: a loss of a task that was not named.
            MeasurementError: a task gradient is NaN or infinite, if the combiner looks at gradients.
        """
        unknown = [task for task in losses if task not in self._tasks]
        if unknown:
            raise InputError(f"losses: expected some of the tasks {list(self._tasks)}, got {unknown}")
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
        # Most methods look at the whole trunk; GradNorm balances its last layer.
        seen = values[-1:] if self._combiner.last_layer_only else values
        gramian[np.ix_(index, index)] = seen.sum(axis=0)
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
