"""Held-out rows beside a minibatch: a pass of their own, and one more group of the Gramian."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.geometry import HELDOUT, Group
from gradprobe.gradients import JacobianCapture, LoopEngine, SharedParameters
from gradprobe.probes.folds import MoleculeNames, Rows, distinct_names, names_of
from gradprobe.probes.inert import evaluating, inert
from gradprobe.probes.losses import GroupLoss, check_measurable, check_shape


class HeldoutPass:
    """A forward pass in eval mode on copies of the model's buffers, and the way back through it.

    On copies, since a graph in eval mode keeps the batch-norm statistics it was computed with, which
    the step's own forward pass may move before the way back. There the model is put into the same
    state once more: a checkpoint runs its part of the forward pass again.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        copies: dict[int, Tensor] = {}
        self._buffers = {
            module: {
                name: copies.setdefault(id(buffer), buffer.detach().clone())
                for name, buffer in module._buffers.items()
                if buffer is not None
            }
            for module in model.modules()
        }

    @contextmanager
    def forward(self) -> Iterator[None]:
        """A block in the pass's state, which leaves model and random state as they were."""
        with inert(self._model), evaluating(self._model):
            for module, buffers in self._buffers.items():
                module._buffers.update(buffers)
            yield

    def differentiate(self, loss: Tensor, shared: SharedParameters) -> JacobianCapture:
        """The gradient of a loss of this pass, as a Jacobian of one row."""
        with self.forward():
            return LoopEngine().capture([loss], shared)


def heldout_group(
    loss: Tensor | None,
    focal: str,
    taken: HeldoutPass | None,
    *,
    names: MoleculeNames | None,
    rows: Rows | str | None,
) -> GroupLoss | None:
    """The focal task's group of held-out rows; None where there is no loss, or none of its rows.

    Raises:
        InputError: the loss comes from no held-out pass, is neither a scalar nor one number a row, or
            its rows are not named one for one, or are among the step's.
        MeasurementError: the loss is not finite or has no graph.
    """
    if loss is None:
        if names is not None:
            raise InputError("heldout_rows: expected the held-out loss too, got none; pass heldout=")
        return None
    check_shape("heldout", loss)
    if taken is None:
        raise InputError(
            "heldout: expected a loss computed since the last measurement inside `with probe.heldout():`, "
            "got one from elsewhere; rows that pass through in train mode would change the run"
        )
    if names is not None:
        _check_names(distinct_names("heldout_rows", names, loss), rows)
    if not loss.numel():
        return None
    check_measurable("heldout", loss)
    return GroupLoss(Group(focal, HELDOUT), loss.mean(), loss.numel() if loss.dim() else 0)


def _check_names(names: list[object], rows: Rows | str | None) -> None:
    if not isinstance(rows, Mapping):
        return
    step = {name for given in rows.values() for name in names_of(given)}
    common = [name for name in names if name in step]
    if common:
        raise InputError(
            f"heldout_rows: expected molecules that are not in the step, got {len(common)} that are, such as "
            f"{common[0]!r}; rows that made the update cannot judge it"
        )
