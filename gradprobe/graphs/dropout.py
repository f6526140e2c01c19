"""Dropout of features that are mostly zeros."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn


class FeatureDropout(nn.Dropout):
    """Dropout that draws nothing for the zeros of constant inputs, which it could not change.

    The same distribution as `nn.Dropout`, at a small part of its cost on bags of words. The positions of
    the nonzero entries are kept for the tensor seen last; one changed in place is looked at anew. Sparse
    inputs, coalesced, stay sparse.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self._seen: tuple[weakref.ref[Tensor], int] | None = None
        self._positions = torch.empty(0, dtype=torch.int64)

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs [n, d], in training with each entry zero at the rate and the others scaled up."""
        if not self.training or self.p == 0.0:
            return inputs
        if inputs.layout == torch.sparse_coo:
            values = self._thinned(inputs.values())
            return torch.sparse_coo_tensor(
                inputs.indices(), values, inputs.shape, is_coalesced=True, check_invariants=False
            )
        if inputs.requires_grad:
            return super().forward(inputs)
        positions = self._nonzero(inputs)
        flat = inputs.reshape(-1)
        values = self._thinned(flat[positions])
        return torch.zeros_like(flat).index_copy(0, positions, values).reshape(inputs.shape)

    def _thinned(self, values: Tensor) -> Tensor:
        kept = torch.rand(len(values), device=values.device) >= self.p
        return torch.where(kept, values / (1.0 - self.p), values.new_zeros(()))

    def __getstate__(self) -> dict[str, Any]:
        """The state without what is remembered of the inputs, which a copy would not share."""
        return {**self.__dict__, "_seen": None, "_positions": self._positions[:0]}

    def _nonzero(self, inputs: Tensor) -> Tensor:
        if self._seen is None or self._seen[0]() is not inputs or self._seen[1] != inputs._version:
            self._positions = inputs.reshape(-1).nonzero().squeeze(1)
            self._seen = (weakref.ref(inputs), inputs._version)
        return self._positions
