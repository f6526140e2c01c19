"""A classifier as the editor sees it: logits of chosen items, their labels, and those it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.graphs.editing.neighbourhood import NodeLogits


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model over n items (nodes, or rows of a table) with labels [n].

    `logits` maps ids [k] of items to logits [k, classes] in the live graph of `model`, whatever its forward
    pass looks like; `train` [t] are the ids whose loss an edit should leave alone. What is edited are
    the parameters of `model` that require a gradient.
    """

    model: nn.Module
    logits: Callable[[Tensor], Tensor]
    labels: Tensor
    train: Tensor

    def __post_init__(self) -> None:
        if not self.parameters:
            raise InputError(
                "model: expected parameters that require a gradient, got none; nothing can be edited"
            )
        if not self.train.numel():
            raise InputError(
                "train: expected at least one training item, got none; an edit protects their loss"
            )

    @classmethod
    def of_nodes(
        cls,
        model: nn.Module,
        x: Tensor,
        edge_index: Tensor,
        labels: Tensor,
        train: Tensor,
        *,
        hops: int | None = None,
    ) -> Self:
        """A node model `model(x, edge_index)` on features [n, d] and directed edges [2, E].

        `hops` says how far the model sees, where that is known: edits of single nodes then pass their
        neighbourhood alone through it (see `NodeLogits`).
        """
        return cls(model, NodeLogits(model, x, edge_index, hops), labels, train)

    @classmethod
    def of_rows(cls, model: nn.Module, x: Tensor, labels: Tensor, train: Tensor) -> Self:
        """A plain classifier `model(x)` on rows [n, ...] that do not depend on one another."""

        def logits(ids: Tensor) -> Tensor:
            chosen: Tensor = model(x[ids])
            return chosen

        return cls(model, logits, labels, train)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that require a gradient, in the model's order."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def loss(self, ids: Tensor, labels: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of items [k] in the live graph; `labels` [k] stand in for their own."""
        return cross_entropy(self.logits(ids), self.labels[ids] if labels is None else labels)

    def gradient(self, loss: Tensor, *, keep_graph: bool = False) -> Tensor:
        """The gradient [P] of a loss on all edited parameters, flat; zero for those it does not reach.

        Raises:
            MeasurementError: it is NaN or infinite.
        """
        parts = torch.autograd.grad(
            loss, self.parameters, retain_graph=keep_graph, allow_unused=True, materialize_grads=True
        )
        flat = torch.cat([part.detach().flatten() for part in parts])
        if not torch.isfinite(flat).all():
            raise MeasurementError(
                "loss: expected a finite gradient, got NaN or infinity; lower the learning rate of the edits"
            )
        return flat


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits [k, classes] against labels [k]."""
    return torch.nn.functional.cross_entropy(logits, labels)
