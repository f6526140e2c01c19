"""The losses a caller hands in, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import Group


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
