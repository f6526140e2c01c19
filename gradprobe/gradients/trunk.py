"""Finding the trunk: what the losses of at least two tasks reach, minus heads joined or fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.outputs import OutputAxis
from gradprobe.gradients.shared import SharedParameters, owning_module


def find_trunk(
    capture: JacobianCapture,
    tasks: Sequence[str],
    model: nn.Module,
    outputs: Mapping[int, OutputAxis] | None = None,
) -> SharedParameters:
    """The shared parameters among those captured; `tasks[i]` is the task behind row i.

    `outputs` tells where weights have their outputs, by position, if not along the first axis.

    Shared is what the losses of at least two tasks reach. Two kinds of heads pass that test and are
    left out all the same, since they have an off-diagonal Gramian of zero by construction and would
    only dilute every cosine. The outputs of one head a task are often joined into one tensor, and
    every loss then reaches every head, with a gradient of zero in all but its own. A fused head
    `Linear(d, m)`, or a layer of another kind, gives every task outputs of its own: a module is taken for
    one when no two tasks have a non-zero gradient on the weights of the same output. Embeddings are exempt
    from this last test, whose rows are inputs, not outputs.

    What counts is the module that owns a parameter, however layers are named. A module whose gradient
    is zero for all tasks is ambiguous: the trunk behind heads that start at zero, or a
    residual branch that does, looks like the joined head of a task without rows here. It is taken for
    a head if its parameters have the shapes of a joined head's, and kept otherwise.

    Raises:
        MeasurementError: nothing is shared, or fewer than two tasks have a gradient to tell it by.
    """
    names = list(dict.fromkeys(tasks))
    rows = [
        _merge([row for row, name in zip(capture.rows, tasks, strict=True) if name == task]) for task in names
    ]
    _check_evidence(rows, names)
    candidates = capture.shared
    reached: dict[str, list[int]] = {}
    for position, name in enumerate(candidates.names):
        if sum(row[position] is not None for row in rows) >= 2:
            reached.setdefault(owning_module(name), []).append(position)
    heads = _heads(reached, rows, candidates, _embedding_parameters(model), outputs or {})
    kept = [
        position for module, positions in reached.items() if module not in heads for position in positions
    ]
    if not kept:
        raise MeasurementError(
            "shared: expected parameters that the losses of at least two tasks reach, got none; "
            "the tasks share no trunk, or name it with shared="
        )
    trunk = {owning_module(candidates.names[position]) for position in kept}
    excluded = dict.fromkeys(owning_module(name) for name in candidates.names)
    return candidates.keep(sorted(kept), (module for module in excluded if module not in trunk))


def _check_evidence(rows: Sequence[Row], tasks: Sequence[str]) -> None:
    learning = [
        task
        for task, row in zip(tasks, rows, strict=True)
        if any(gradient is not None and bool(_dense(gradient).any()) for gradient in row)
    ]
    if len(learning) < 2:
        raise MeasurementError(
            "shared: expected gradients other than zero of at least two tasks to find the trunk by, got them "
            f"of {learning}; measure first where two tasks have an error to learn from, or name the trunk "
            "with shared="
        )


def _heads(
    reached: Mapping[str, Sequence[int]],
    rows: Sequence[Row],
    candidates: SharedParameters,
    embeddings: set[int],
    outputs: Mapping[int, OutputAxis],
) -> set[str]:
    """The modules, among those that two losses reach, that serve one task, or each with rows of its own."""
    use = {
        module: _use([_support(row, positions, candidates, outputs) for row in rows])
        for module, positions in reached.items()
    }
    shapes = {module: [candidates.parameters[p].shape for p in reached[module]] for module in reached}
    exempt = {
        module
        for module in reached
        if any(id(candidates.parameters[p]) in embeddings for p in reached[module])
    }
    joined = [module for module in reached if use[module] == "one task"]
    fused = [module for module in reached if use[module] == "outputs apart" and module not in exempt]
    of_joined = [shapes[module] for module in joined]
    alike = [module for module in reached if use[module] == "none" and shapes[module] in of_joined]
    return {*joined, *fused, *alike}


def _use(supports: Sequence[Tensor]) -> Literal["none", "one task", "outputs apart", "outputs in common"]:
    """How tasks use a module, from the outputs [d] on whose weights each has a non-zero gradient."""
    active = [support for support in supports if support.any()]
    if len(active) < 2:
        return "one task" if active else "none"
    return "outputs in common" if any((a & b).any() for a, b in combinations(active, 2)) else "outputs apart"


def _support(
    row: Row, positions: Sequence[int], candidates: SharedParameters, outputs: Mapping[int, OutputAxis]
) -> Tensor:
    axes = [outputs.get(p, OutputAxis()) for p in positions]
    entries = zip(positions, axes, strict=True)
    return torch.cat([_output_support(row[p], candidates.parameters[p], axis) for p, axis in entries])


def _embedding_parameters(model: nn.Module) -> set[int]:
    return {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for parameter in module.parameters(recurse=False)
    }


def _output_support(gradient: Tensor | None, parameter: nn.Parameter, axis: OutputAxis) -> Tensor:
    """Which outputs [d] of a parameter have a non-zero gradient."""
    like = parameter.detach() if gradient is None else _dense(gradient)
    support = axis.first(like).ne(0).any(dim=1)
    return torch.zeros_like(support) if gradient is None else support


def _dense(gradient: Tensor) -> Tensor:
    return (gradient.to_dense() if gradient.layout != torch.strided else gradient).detach()


def _merge(rows: Sequence[Row]) -> Row:
    """The row of a task from those of its folds, as far as its support goes."""
    if len(rows) == 1:
        return rows[0]
    merged: list[Tensor | None] = []
    for column in zip(*rows, strict=True):
        present = [entry.to_dense().abs() for entry in column if entry is not None]
        merged.append(torch.stack(present).sum(dim=0) if present else None)
    return merged
