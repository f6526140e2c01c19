"""EGNN: a frozen graph network beside a perceptron on the features, which alone is edited."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from gradprobe.errors import InputError
from gradprobe.graphs.editing.classifier import Classifier, cross_entropy
from gradprobe.graphs.models import build_node_model


class SideNetwork(nn.Module):
    """Logits of a frozen node model plus those of a perceptron on the node's own features.

    An edit of the perceptron reaches other nodes by their features, not over edges. `base` is taken over:
    it stays in eval mode and loses its gradients.
    """

    def __init__(self, base: nn.Module, side: nn.Module) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.side = side
        self.train(self.training)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Logits [n, classes] of nodes with features [n, d] and directed edges [2, E]."""
        combined: Tensor = self.base(x, edge_index) + self.side(x, edge_index)
        return combined

    def train(self, mode: bool = True) -> Self:
        """Set the perceptron's mode; the frozen model stays in eval mode."""
        super().train(mode)
        self.base.eval()
        return self

    def classifier(self, x: Tensor, edge_index: Tensor, labels: Tensor, train: Tensor) -> Classifier:
        """The classifier for an `Editor`; the frozen model runs once, the perceptron on chosen nodes only."""
        with torch.no_grad():
            frozen: Tensor = self.base(x, edge_index)

        def logits(ids: Tensor) -> Tensor:
            combined: Tensor = frozen[ids] + self.side(x[ids], edge_index)
            return combined

        return Classifier(self, logits, labels, train)


def fit_side_network(
    base: nn.Module,
    x: Tensor,
    edge_index: Tensor,
    labels: Tensor,
    train: Tensor,
    *,
    width: int = 64,
    iterations: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> SideNetwork:
    """A two-layer perceptron beside a copy of `base`, fitted so that their sum predicts as `base` does.

    Adam on the cross-entropy of the training nodes [t] plus the Kullback-Leibler divergence of the sum's
    prediction from `base`'s, averaged over all nodes [n], which takes no labels (the paper does not
    say over which). Depends on the seed, not on the caller's random state.

    Raises:
        InputError: a number below 1.
    """
    for name, number in {"width": width, "iterations": iterations}.items():
        if number < 1:
            raise InputError(f"{name}: expected a number of at least 1, got {number}")
    with torch.random.fork_rng(devices=[]):  # a copy of older PyG's layers draws parameters first
        network_base = copy.deepcopy(base).eval()
    with torch.no_grad():
        frozen: Tensor = network_base(x, edge_index)
    inputs, classes = x.shape[1], frozen.shape[1]
    side = build_node_model("mlp", inputs=inputs, classes=classes, width=width, dropout=0.0, seed=seed)
    optimizer = torch.optim.Adam(side.parameters(), lr=learning_rate)
    for _ in range(iterations):
        combined = frozen + side(x, edge_index)
        loss = cross_entropy(combined[train], labels[train]) + _divergence(combined, frozen)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    optimizer.zero_grad()
    return SideNetwork(network_base, side)


def _divergence(own: Tensor, other: Tensor) -> Tensor:
    """Mean over nodes of KL(other || own) of the predictions behind logits [n, classes]."""
    own, other = log_softmax(own, dim=1), log_softmax(other, dim=1)
    return kl_div(own, other, reduction="batchmean", log_target=True)
