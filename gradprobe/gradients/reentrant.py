"""Reentrant checkpoints hide their parameters, so they are looked for before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.errors import MeasurementError

_NODE = "CheckpointFunctionBackward"
_MESSAGE = (
    "losses: reentrant activation checkpointing cannot be differentiated task by task; "
    "call torch.utils.checkpoint.checkpoint with use_reentrant=False"
)


def refuse_reentrant_checkpoints(losses: Iterable[Tensor]) -> None:
    """Check the graph behind some losses for reentrant checkpoints.

    PyTorch itself objects only where a measured parameter lies before the checkpoint. Those within it
    are no part of the graph: their gradients would silently count as zero.

    Raises:
        MeasurementError: there is one.
    """
    pending = [loss.grad_fn for loss in losses]
    seen: set[Node] = set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        if node.name() == _NODE:
            raise MeasurementError(_MESSAGE)
        seen.add(node)
        pending += [child for child, _ in node.next_functions]
