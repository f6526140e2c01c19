"""Task gradients from forward passes of our own, one for each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.geometry import Group
from gradprobe.gradients import JacobianCapture, LoopEngine, OutputAxis, SharedParameters, output_axes
from gradprobe.gradients.jacobian import Row
from gradprobe.probes.inert import inert
from gradprobe.probes.losses import GroupLoss, check_losses, whole_tasks

LossesOf = Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class SeparatePasses:
    """The gradients of each task's loss, its rows and its value, and where weights have outputs."""

    capture: JacobianCapture
    groups: tuple[Group, ...]
    rows: tuple[int, ...]
    losses: tuple[float, ...]
    outputs: Mapping[int, OutputAxis]


def separate_passes(model: nn.Module, losses_of: LossesOf, shared: SharedParameters) -> SeparatePasses:
    """One forward and one backward pass a task, each from the model's present state.

    Random numbers are the same in every pass, so all tasks see one dropout mask.

    Raises:
        MeasurementError: two passes give losses of different tasks.
    """
    tasks, row, done, outputs = _pass(model, losses_of, shared, 0)
    rows = [row]
    parts = [done]
    for place in range(1, len(tasks)):
        again, row, done, more = _pass(model, losses_of, shared, place)
        if again != tasks:
            raise MeasurementError(
                f"losses_of: expected losses of the same tasks at every call, got {tasks} and then {again}; "
                "take the batch outside of it"
            )
        rows.append(row)
        outputs = {**outputs, **more}
        parts.append(done)
    note = f"{len(tasks)} forward passes of the probe's own"
    return SeparatePasses(
        JacobianCapture(rows, shared, note=note),
        groups=tuple(group for group, _, _ in parts),
        rows=tuple(count for _, count, _ in parts),
        losses=tuple(value for _, _, value in parts),
        outputs=outputs,
    )


def _pass(
    model: nn.Module, losses_of: LossesOf, shared: SharedParameters, place: int
) -> tuple[list[str], Row, tuple[Group, int, float], Mapping[int, OutputAxis]]:
    """All tasks' names, and of the one at a place its gradients, group, rows, loss and output axes."""
    with inert(model, autocast=True):
        parts: list[GroupLoss] = whole_tasks(check_losses(losses_of()))
        own = parts[min(place, len(parts) - 1)]
        outputs = output_axes([own.loss], shared)
        row = LoopEngine().capture([own.loss], shared).rows[0]
        return [part.group.task for part in parts], row, (own.group, own.rows, own.loss.item()), outputs
