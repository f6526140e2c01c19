"""Logits of a few nodes from their neighbourhood alone, where the model sees no farther."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gradprobe.errors import InputError

_FEW = 8  # nodes; the neighbourhood of more is most of the graph, and is not worth cutting out


@dataclass(eq=False)
class NodeLogits:
    """Logits [k, classes] of node ids [k] by `model(x, edge_index)`, from the subgraph within `hops` of them.

    With `hops` None, and for more than a few nodes, the whole graph is passed through. A model of L
    layers that mean, sum or attend over neighbours is exact within L hops. PyG's `GCNConv` also looks
    at the degrees of neighbours, so it takes L + 1; a perceptron takes 0. Normalisation over nodes
    reaches everywhere in train mode: None there.

    The last subgraph is kept, since an edit asks for the same nodes at every step.

    Raises:
        InputError: a negative number of hops.
    """

    model: nn.Module
    x: Tensor
    edge_index: Tensor
    hops: int | None = None
    _kept: tuple[tuple[int, ...], Tensor, Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hops is not None and self.hops < 0:
            raise InputError(f"hops: expected a number of at least 0, or None for all, got {self.hops}")

    def __call__(self, ids: Tensor) -> Tensor:
        """Logits [k, classes] in the live graph."""
        if self.hops is None or len(ids) > _FEW:
            every: Tensor = self.model(self.x, self.edge_index)
            return every[ids]
        x, edge_index, places = self._subgraph(ids, self.hops)
        near: Tensor = self.model(x, edge_index)
        return near[places]

    def _subgraph(self, ids: Tensor, hops: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, edges and the places of the ids in the subgraph around them."""
        asked = tuple(ids.tolist())
        if self._kept is None or self._kept[0] != asked:
            inside = torch.zeros(len(self.x), dtype=torch.bool, device=self.x.device)
            inside[ids] = True
            source, target = self.edge_index
            for _ in range(hops):
                reached = source[inside[target]]
                inside[reached] = True
            number = torch.cumsum(inside, dim=0) - 1
            edges = self.edge_index[:, inside[source] & inside[target]]
            self._kept = (asked, self.x[inside], number[edges], number[ids])
        return self._kept[1:]
