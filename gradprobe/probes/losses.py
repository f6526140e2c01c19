"""The losses a caller hands in: checked, and split into groups."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import Group

MoleculeNames = Sequence[Hashable] | Tensor | npt.NDArray[Any]
Rows = Mapping[str, MoleculeNames]


@dataclass(frozen=True, eq=False)
class GroupLoss:
    """The mean loss over the rows of one group; `rows` is 0 where the caller gave a scalar."""

    group: Group
    loss: Tensor
    rows: int


def check_losses(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The losses of the tasks that are present; an empty per-row vector is a missing task.

    Raises:
        MeasurementError: a loss is not finite or has no graph.
        InputError: not a mapping from names to losses, a loss is neither a scalar nor one number a
            row, or fewer than two tasks are present.
    """
    check_task_names("losses", losses)
    for task, loss in losses.items():
        check_shape(f"losses[{task!r}]", loss)
    present = {task: loss for task, loss in losses.items() if loss.numel()}
    for task, loss in present.items():
        check_measurable(f"losses[{task!r}]", loss)
    if len(present) < 2:
        raise InputError(f"losses: expected at least two tasks, got {list(present)}; a conflict needs two")
    return present


def check_shape(argument: str, loss: object) -> None:
    """Refuse what is neither a scalar tensor nor one number a row.

    Raises:
        InputError: names the argument and what came.
    """
    if not isinstance(loss, Tensor) or loss.dim() > 1:
        came = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError(
            f"{argument}: expected a scalar tensor or one number a row, got {came}; "
            "reduce each row's loss to one number"
        )


def check_measurable(argument: str, loss: Tensor) -> None:
    """Refuse losses without a graph, and those that are not finite.

    Raises:
        MeasurementError: names the argument and the remedy.
    """
    if not loss.requires_grad:
        raise MeasurementError(
            f"{argument}: expected a loss with a graph, got one that requires no gradient; "
            "measure outside torch.no_grad() and do not detach the losses"
        )
    if not bool(torch.isfinite(loss.detach()).all()):
        raise MeasurementError(
            f"{argument}: expected finite losses, got NaN or infinity; "
            "leave rows without a label out before the arithmetic, or look for divergence"
        )


def check_task_names(argument: str, losses: object) -> None:
    """Refuse what is no mapping whose keys are text, the only names that a trace can store.

    Raises:
        InputError: names the argument and what came.
    """
    if not isinstance(losses, Mapping):
        raise InputError(
            f"{argument}: expected a mapping from each task's name to its loss, got {type(losses).__name__}"
        )
    for task in losses:
        if not isinstance(task, str):
            raise InputError(
                f"{argument}: expected text for the names of tasks, got {task!r} ({type(task).__name__})"
            )


def whole_tasks(losses: Mapping[str, Tensor]) -> list[GroupLoss]:
    """One group a task."""
    return [
        GroupLoss(Group(task), loss.mean(), loss.numel() if loss.dim() else 0)
        for task, loss in losses.items()
    ]


def split_into_folds(
    losses: Mapping[str, Tensor], rows: Rows, generator: np.random.Generator
) -> list[GroupLoss]:
    """Two groups a task, from one random bipartition of the step's molecules (METHODS §7b).

    A molecule that carries labels of several tasks is in the same fold for all of them. Folds are
    balanced over the molecules of tasks that share any, so over each task's own where none do. A task
    all of whose rows fall into one fold has that group only.

    Raises:
        InputError: a loss is a scalar, or its rows are not named one for one and once each.
    """
    names = {task: _check_rows(task, loss, rows) for task, loss in losses.items()}
    folds = _bipartition(names.values(), generator)
    groups = []
    for task, loss in losses.items():
        for fold in ("A", "B"):
            index = [i for i, name in enumerate(names[task]) if folds[name] == fold]
            if index:
                chosen = loss[torch.as_tensor(index, device=loss.device)]
                groups.append(GroupLoss(Group(task, fold), chosen.mean(), len(index)))
    return groups


def names_of(given: MoleculeNames) -> list[Hashable]:
    """The molecules as Python values, which compare as the caller means them to."""
    return list(given) if isinstance(given, Sequence) else given.tolist()


def distinct_names(argument: str, given: MoleculeNames, loss: Tensor) -> list[Hashable]:
    """The molecules behind a per-row loss.

    Raises:
        InputError: not one for each row, or one of them twice.
    """
    names = names_of(given)
    if len(names) != loss.numel() or len(set(names)) != len(names):
        raise InputError(
            f"{argument}: expected {loss.numel()} distinct molecules, one for each loss, "
            f"got {len(names)} of which {len(set(names))} are distinct"
        )
    return names


def _check_rows(task: str, loss: Tensor, rows: Rows) -> list[Hashable]:
    if loss.dim() == 0 or task not in rows:
        came = "a scalar" if loss.dim() == 0 else f"rows for {sorted(rows)} only"
        raise InputError(
            f"rows: expected a per-row loss and the molecule behind each row of {task!r}, got {came}; "
            "pass losses before their mean, or leave rows= out"
        )
    return distinct_names(f"rows[{task!r}]", rows[task], loss)


def _bipartition(tasks: Iterable[list[Hashable]], generator: np.random.Generator) -> dict[Hashable, str]:
    """The fold of each molecule.

    Molecules are dealt out whatever labels they have: making up for one task's surplus with its other
    molecules would tie the folds to the labels, and inner products across folds would be biased.
    """
    folds = {}
    for pool in _pools(tasks):
        first = int(generator.integers(2))
        for position, index in enumerate(generator.permutation(len(pool))):
            folds[pool[int(index)]] = "AB"[(first + position) % 2]
    return folds


def _pools(tasks: Iterable[list[Hashable]]) -> list[list[Hashable]]:
    """The distinct molecules of tasks that share any, directly or by way of other tasks."""
    pools: list[dict[Hashable, None]] = []
    for names in tasks:
        pool = dict.fromkeys(names)
        for other in [other for other in pools if not other.keys().isdisjoint(pool)]:
            pools.remove(other)
            pool = other | pool
        pools.append(pool)
    return [list(pool) for pool in pools]
