"""A second way through a layer, for conflicts (12)-(13)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class GatedConv(nn.Module):
    """(1 - beta) base + beta conflict: a layer beside its conflict pathway, of the same kind (eq. 13).

    The pathway has parameters of its own, W_p of (12). They start as the base layer's at the moment the
    gate first opens, so that opening it does not throw away what was learned. While beta is 0 the
    pathway is neither computed nor trained. `beta` and `started` are buffers: they travel with the state.
    """

    beta: Tensor
    started: Tensor

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        with torch.random.fork_rng(devices=[]):  # a copy of older PyG's layers draws parameters first
            self.conflict = copy.deepcopy(base)
        self.register_buffer("beta", torch.zeros(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, inputs: Tensor, edge_index: Tensor) -> Tensor:
        """The mixed messages [n, width] of inputs [n, d] over directed edges [2, E]."""
        beta = float(self.beta)
        standard: Tensor = self.base(inputs, edge_index)
        if beta == 0.0:
            return standard
        special: Tensor = self.conflict(inputs, edge_index)
        return (1.0 - beta) * standard + beta * special

    def set_gate(self, beta: float) -> None:
        """Open the pathway to `beta`, clipped to [0, 1]; 0 closes it."""
        beta = min(max(beta, 0.0), 1.0)
        if beta > 0.0 and not bool(self.started):
            self.conflict.load_state_dict(self.base.state_dict())
            self.started.fill_(True)
        self.beta.fill_(beta)
