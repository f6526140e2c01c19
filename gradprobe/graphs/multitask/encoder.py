"""An encoder of whole graphs on PyG's own layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gradprobe.errors import missing_extra

if TYPE_CHECKING:
    from torch_geometric.data import Batch


class GraphEncoder(nn.Module):
    """GIN layers, layer normalisation, mean and scaled sum over nodes; a PyG batch to [b, width].

    The sum, over `nodes` (the usual number of nodes of a graph), lets the size of a graph be seen; there
    is no batch normalisation, which would let one graph's task enter another's gradient. A last linear
    layer mixes both: the last shared layer.
    """

    def __init__(self, inputs: int, *, width: int, depth: int, nodes: float) -> None:
        super().__init__()
        try:
            from torch_geometric.nn import GINConv, global_add_pool, global_mean_pool
        except ImportError as error:
            raise missing_extra("torch_geometric", "graphs") from error

        sizes = [inputs, *[width] * depth]
        self.width = width
        self.convs = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width)))
            for size in sizes[:-1]
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.mix = nn.Linear(2 * width, width)
        self._nodes = nodes
        self._mean, self._add = global_mean_pool, global_add_pool

    def forward(self, batch: Batch) -> Tensor:
        """The representation [b, width] of b graphs."""
        hidden = batch.x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            hidden = torch.relu(norm(conv(hidden, batch.edge_index)))
        sizes = (batch.batch, batch.num_graphs)
        pooled = torch.cat([self._mean(hidden, *sizes), self._add(hidden, *sizes) / self._nodes], dim=1)
        return torch.relu(self.mix(pooled))
