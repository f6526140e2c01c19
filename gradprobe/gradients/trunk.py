"""Finding the trunk: what at least two losses reach, minus the heads fused into one layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.shared import SharedParameters


def find_trunk(capture: JacobianCapture, tasks: Sequence[str], model: nn.Module) -> SharedParameters:
    """The shared parameters among those captured; `tasks[i]` is the task behind row i.

    Shared is what the losses of at least two tasks reach. A fused head `Linear(d, m)` is reached by
    all of them but gives every task output rows of its own, so that its off-diagonal Gramian is zero
    by construction and would only dilute every cosine: a layer is taken for one when no two tasks
    have a non-zero gradient in the same row of its weights. Embeddings are exempt, whose rows are
    inputs, not outputs.

    Raises:
        MeasurementError: nothing is shared.
    """
    rows = [
        _merge([row for row, name in zip(capture.rows, tasks, strict=True) if name == task])
        for task in dict.fromkeys(tasks)
    ]
    candidates = capture.shared
    reached = [
        position
        for position in range(len(candidates.parameters))
        if sum(row[position] is not None for row in rows) >= 2
    ]
    embeddings = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for parameter in module.parameters(recurse=False)
    }
    heads = {
        layer
        for layer in {candidates.layer_of[position] for position in reached}
        if _is_fused_head(
            [p for p in reached if candidates.layer_of[p] == layer], rows, candidates, embeddings
        )
    }
    kept = [position for position in reached if candidates.layer_of[position] not in heads]
    if not kept:
        raise MeasurementError(
            "shared: expected parameters that the losses of at least two tasks reach, got none; "
            "the tasks share no trunk, or name it with shared="
        )
    left_out = {candidates.layer_of[p] for p in range(len(candidates.parameters)) if p not in set(kept)}
    trunk_layers = {candidates.layer_of[p] for p in kept}
    return candidates.keep(kept, (candidates.layers[k] for k in sorted(left_out - trunk_layers)))


def _is_fused_head(
    positions: Sequence[int], rows: Sequence[Row], candidates: SharedParameters, embeddings: set[int]
) -> bool:
    if any(id(candidates.parameters[position]) in embeddings for position in positions):
        return False
    supports = [
        torch.cat([_row_support(row[p], candidates.parameters[p]) for p in positions]) for row in rows
    ]
    active = [support for support in supports if support.any()]
    return len(active) >= 2 and not any((a & b).any() for a, b in combinations(active, 2))


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
