"""Slow, obvious reference code for the core."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Gradients = dict[str, np.ndarray]


def task_gradients(
    model: nn.Module, losses: Callable[[nn.Module, Any], Mapping[str, Tensor]], batch: Any, *, seed: int
) -> dict[str, Gradients]:
    """Task -> parameter name -> gradient: a copy of the model, a forward and a backward a task.

    Parameters that a loss does not reach are absent. Copies carry no gradient hooks.
    """
    torch.manual_seed(seed)
    tasks = [task for task, loss in losses(copy.deepcopy(model), batch).items() if loss.numel()]
    found = {}
    for task in tasks:
        own = copy.deepcopy(model)
        own.zero_grad(set_to_none=True)
        torch.manual_seed(seed)
        losses(own, batch)[task].mean().backward()
        found[task] = {
            name: _dense(parameter.grad).double().numpy()
            for name, parameter in own.named_parameters()
            if parameter.grad is not None
        }
    return found


def split_gradients(
    model: nn.Module, rows: Callable[[nn.Module], Mapping[str, Tensor]]
) -> dict[str, Gradients]:
    """As `task_gradients`, in eval mode, for losses of a whole split in one big batch."""

    def evaluated(own: nn.Module, _: Any) -> Mapping[str, Tensor]:
        own.eval()
        if hasattr(own, "message_passing"):
            # What chemprop itself does before it validates: losses live on the scaled targets.
            own.predictor.output_transform.train()
        return rows(own)

    return task_gradients(model, evaluated, None, seed=0)


def gramian_by_loops(gradients: Mapping[str, Gradients], layers: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Gramians [l, g, g]: for each layer, pair of tasks and parameter, the sum of the products."""
    tasks = list(gradients)
    values = np.zeros((len(layers), len(tasks), len(tasks)))
    for k, names in enumerate(layers.values()):
        for i, one in enumerate(tasks):
            for j, other in enumerate(tasks):
                for name in names:
                    a, b = gradients[one].get(name), gradients[other].get(name)
                    if a is not None and b is not None:
                        values[k, i, j] += math.fsum((a * b).ravel().tolist())
    return values


def assert_gramians_agree(values: np.ndarray, oracle: np.ndarray, tolerance: float) -> None:
    """|dG_ij| <= tolerance * sqrt(G_ii G_jj) in every layer, DESIGN §5."""
    assert values.shape == oracle.shape
    for own, reference in zip(values, oracle, strict=True):
        lengths = np.sqrt(np.diag(reference))
        assert (np.abs(own - reference) <= tolerance * np.outer(lengths, lengths)).all()


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Cosine of two vectors, NaN where one is zero; scaled first, so that nothing under- or overflows."""
    top_a, top_b = max(map(abs, a)), max(map(abs, b))
    if top_a == 0.0 or top_b == 0.0:
        return math.nan
    a, b = [x / top_a for x in a], [x / top_b for x in b]
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.layout != torch.strided else gradient
