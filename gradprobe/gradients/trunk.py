"""Finding the trunk: what the losses of at least two tasks reach, minus heads joined or fused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.shared import SharedParameters, owning_module


def find_trunk(capture: JacobianCapture, tasks: Sequence[str], model: nn.Module) -> SharedParameters:
    """The shared parameters among those captured; `tasks[i]` is the task behind row i.

    Shared is what the losses of at least two tasks reach. Two kinds of heads pass that test and are
    left out all the same, since they have an off-diagonal Gramian of zero by construction and would
    only dilute every cosine. The outputs of one head a task are often joined into one tensor, and
    every loss then reaches every head, with a gradient of zero in all but its own. A fused head
    `Linear(d, m)` gives every task output rows of its own: a module is taken for one when no two
    tasks have a non-zero gradient in the same row of its weights. Embeddings are exempt from this
    last test, whose rows are inputs, not outputs.

    What counts is the module that owns a parameter, however layers are named. A module whose gradient
    is zero for all tasks is left out too: it may be the head of a task without rows here.

    Raises:
        MeasurementError: nothing is shared.
    """
    rows = [
        _merge([row for row, name in zip(capture.rows, tasks, strict=True) if name == task])
        for task in dict.fromkeys(tasks)
    ]
    candidates = capture.shared
    reached: dict[str, list[int]] = {}
    for position, name in enumerate(candidates.names):
        if sum(row[position] is not None for row in rows) >= 2:
            reached.setdefault(owning_module(name), []).append(position)
    embeddings = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for parameter in module.parameters(recurse=False)
    }
    kept = [
        position
        for positions in reached.values()
        if not _is_head(positions, rows, candidates, embeddings)
        for position in positions
    ]
    if not kept:
        raise MeasurementError(
            "shared: expected parameters that the losses of at least two tasks reach, got none; "
            "the tasks share no trunk, or name it with shared="
        )
    trunk = {owning_module(candidates.names[position]) for position in kept}
    excluded = dict.fromkeys(owning_module(name) for name in candidates.names)
    return candidates.keep(sorted(kept), (module for module in excluded if module not in trunk))


def _is_head(
    positions: Sequence[int], rows: Sequence[Row], candidates: SharedParameters, embeddings: set[int]
) -> bool:
    """Whether the parameters of a module serve at most one task, or each task with rows of its own."""
    supports = [
        torch.cat([_row_support(row[p], candidates.parameters[p]) for p in positions]) for row in rows
    ]
    active = [support for support in supports if support.any()]
    if len(active) < 2:
        return True
    if any(id(candidates.parameters[position]) in embeddings for position in positions):
        return False
    return not any((a & b).any() for a, b in combinations(active, 2))


def _row_support(gradient: Tensor | None, parameter: nn.Parameter) -> Tensor:
    """Which output rows [d] of a parameter have a non-zero gradient."""
    rows = parameter.shape[0] if parameter.dim() else 1
    if gradient is None:
        return torch.zeros(rows, dtype=torch.bool, device=parameter.device)
    dense = gradient.to_dense() if gradient.layout != torch.strided else gradient
    return dense.detach().reshape(rows, -1).ne(0).any(dim=1)


def _merge(rows: Sequence[Row]) -> Row:
    """The row of a task from those of its folds, as far as its support goes."""
    if len(rows) == 1:
        return rows[0]
    merged: list[Tensor | None] = []
    for column in zip(*rows, strict=True):
        present = [entry.to_dense().abs() for entry in column if entry is not None]
        merged.append(torch.stack(present).sum(dim=0) if present else None)
    return merged
