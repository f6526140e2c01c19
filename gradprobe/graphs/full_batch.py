"""Training a node model on its whole graph, seen before every update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradprobe.errors import TrainingError
from gradprobe.graphs.models import NodeModel


@dataclass(frozen=True, eq=False)
class PendingUpdate:
    """A forward pass in training mode, in its live graph, before the update that it leads to.

    `epoch` counts updates so far. `states` are what each layer put out [n, width], the last one the logits;
    `loss` is the mean cross-entropy of the training nodes.
    """

    epoch: int
    states: list[Tensor]
    loss: Tensor


def full_batch(
    model: NodeModel,
    x: Tensor,
    edge_index: Tensor,
    labels: Tensor,
    train: Tensor,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
) -> Iterator[PendingUpdate]:
    """Train on nodes `train` of a graph; each update follows when the next is asked for.

    Whoever iterates may measure, score in eval mode, or stop: the update whose forward pass came last is not
    made then.

    Raises:
        TrainingError: an update is asked for after a loss that is not finite.
    """
    for epoch in range(epochs):
        model.train()
        states = model.representations(x, edge_index)
        loss = nn.functional.cross_entropy(states[-1][train], labels[train])
        yield PendingUpdate(epoch, states, loss)
        if not bool(loss.isfinite()):
            raise TrainingError(f"loss: expected a finite number, got {loss.item()} in epoch {epoch}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def correct_nodes(model: NodeModel, x: Tensor, edge_index: Tensor, labels: Tensor) -> Tensor:
    """Which nodes [n] the model predicts right, in eval mode, in which it is left."""
    model.eval()
    return torch.argmax(model(x, edge_index), dim=1) == labels


def share(correct: Tensor, nodes: Tensor) -> float:
    """The share of some nodes that are predicted right; NaN for no nodes."""
    return float(correct[nodes].double().mean())
