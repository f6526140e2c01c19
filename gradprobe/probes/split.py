"""Task losses over a whole split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import Group
from gradprobe.gradients import JacobianSum
from gradprobe.probes.losses import check_task_names

SplitLosses = Mapping[str, Tensor | tuple[Tensor, int]]
LossFunction = Callable[[nn.Module, Any], SplitLosses]


def sum_over_split(sums: JacobianSum, model: nn.Module, loader: Iterable[Any], loss_fn: LossFunction) -> None:
    """Add the losses of every batch of a loader to the running sums, task by task.

    Raises:
        InputError: the loader is empty, losses come without names or without their number of rows,
            or fewer than two tasks have a label in the whole split.
        MeasurementError: a loss is not finite or cannot be differentiated.
    """
    for batch in loader:
        losses = loss_fn(model, batch)
        check_task_names("loss_fn", losses)
        totals = {Group(task): _total(task, loss) for task, loss in losses.items()}
        sums.add({group: (total, count) for group, (total, count) in totals.items() if count})
    tasks = [group.task for group in sums.groups]
    if len(tasks) < 2:
        raise InputError(
            f"loader: expected batches with losses of at least two tasks, got {tasks}; "
            "an iterator that was used up yields nothing, pass the loader itself"
        )


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
