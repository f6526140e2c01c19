"""Task losses over a whole split, of whole tasks or of two folds of its molecules."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import Group
from gradprobe.gradients import JacobianSum
from gradprobe.probes.folds import FOLDS, Rows, StandingFolds, named_rows, rows_by_position
from gradprobe.probes.losses import check_task_names

SplitLosses = Mapping[str, Tensor | tuple[Tensor, int]]
LossFunction = Callable[[nn.Module, Any], SplitLosses]
SplitRows = Callable[[Any], Rows] | Literal["positions"]
Totals = dict[Group, tuple[Tensor, int]]
NO_FOLDS = "no folds: a batch whose tasks have not one loss for each of the same rows"


def sum_over_split(
    sums: JacobianSum,
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: LossFunction,
    *,
    rows: SplitRows | None,
    folds: StandingFolds,
) -> bool:
    """Add the losses of every batch of a loader to the running sums; whether any was not split into folds.

    Raises:
        InputError: the loader is empty, losses come without names or without their number of rows,
            rows are not named one for one, or fewer than two tasks have a label in the whole split.
        MeasurementError: a loss is not finite or cannot be differentiated.
    """
    whole = False
    for number, batch in enumerate(loader):
        losses = loss_fn(model, batch)
        check_task_names("loss_fn", losses)
        names = _names(losses, rows, batch, number)
        whole |= names is None
        totals = _whole_tasks(losses) if names is None else _in_folds(losses, names, folds)
        sums.add({group: (total, count) for group, (total, count) in totals.items() if count})
    tasks = list(dict.fromkeys(group.task for group in sums.groups))
    if len(tasks) < 2:
        raise InputError(
            f"loader: expected batches with losses of at least two tasks, got {tasks}; "
            "an iterator that was used up yields nothing, pass the loader itself"
        )
    return whole


def _names(
    losses: SplitLosses, rows: SplitRows | None, batch: Any, number: int
) -> Mapping[str, list[Hashable]] | None:
    """The molecules behind each task's rows in a batch; None for whole tasks."""
    if rows is None:
        return None
    if rows == "positions":
        positions = rows_by_position(losses)
        if positions is None:
            return None
        return {task: [(number, i) for i in own] for task, own in positions.items()}
    present = {task: loss for task, loss in losses.items() if not isinstance(loss, Tensor) or loss.numel()}
    return named_rows(present, rows(batch))


def _whole_tasks(losses: SplitLosses) -> Totals:
    return {Group(task): _total(task, loss) for task, loss in losses.items()}


def _in_folds(losses: SplitLosses, names: Mapping[str, list[Hashable]], folds: StandingFolds) -> Totals:
    totals = {}
    for task, own in names.items():
        loss = losses[task]
        _total(task, loss)
        assert isinstance(loss, Tensor), "rows are named of vectors only"
        of_row = [folds.of(name) for name in own]
        for fold in FOLDS:
            index = [i for i, other in enumerate(of_row) if other == fold]
            if index:
                chosen = loss[torch.as_tensor(index, device=loss.device)]
                totals[Group(task, fold)] = chosen.sum(), len(index)
    return totals


def _total(task: str, loss: Tensor | tuple[Tensor, int]) -> tuple[Tensor, int]:
    """The summed loss of a batch and its number of rows."""
    if isinstance(loss, Tensor) and loss.dim() == 1:
        total, count = loss.sum(), loss.numel()
    elif isinstance(loss, tuple) and len(loss) == 2 and loss[0].dim() == 0 and loss[1] >= 0:
        count = int(loss[1])
        total = loss[0] * count
    else:
        came = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError(
            f"loss_fn: expected per-row losses [b] or (mean loss, rows) for {task!r}, got {came}; "
            "a mean without its count cannot be averaged over a split"
        )
    if count and not bool(total.detach().isfinite()):
        raise MeasurementError(
            f"loss_fn: expected finite losses of {task!r}, got NaN or infinity; "
            "leave rows without a label out before the arithmetic, or look for divergence"
        )
    return total, count
