"""Sums over the neighbours of a node, differentiable and never dense."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gradprobe.errors import InputError


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed pairs [2, E] among n nodes, both directions of an undirected edge, as PyG keeps them.

    Messages run from `sources` to `targets`; the neighbours of node u are the sources of its E entries
    with target u. Use `Edges.of`, which checks.
    """

    index: Tensor
    nodes: int

    @classmethod
    def of(cls, edge_index: Tensor, nodes: int) -> Edges:
        """The edges [2, E] of a simple undirected graph.

        Raises:
            InputError: a self-loop, a pair given twice, or one without its opposite; `data.graphs` mends
                a graph that has them.
        """
        source, target = edge_index
        keys = torch.unique(source * nodes + target)
        back = torch.unique(target * nodes + source)
        if bool((source == target).any()) or keys.numel() != source.numel() or not torch.equal(keys, back):
            raise InputError(
                "edge_index: expected both directions of every edge once and no self-loops, got a graph with "
                "loops, repeated or one-directional edges; load it with gradprobe.data.graphs, which mends it"
            )
        return cls(edge_index, nodes)

    @property
    def sources(self) -> Tensor:
        """The node [E] that each message comes from."""
        return self.index[0]

    @property
    def targets(self) -> Tensor:
        """The node [E] that each message goes to."""
        return self.index[1]

    @cached_property
    def degree(self) -> Tensor:
        """Number of neighbours [n]."""
        return torch.bincount(self.targets, minlength=self.nodes)

    @cached_property
    def once(self) -> Tensor:
        """Positions [E / 2] of one direction of every edge: sums over undirected edges count each once."""
        return torch.nonzero(self.sources < self.targets).squeeze(1)

    def neighbour_sum(self, values: Tensor) -> Tensor:
        """Sum [n, d] of the neighbours' rows of `values` [n, d]."""
        return torch.zeros_like(values).index_add(0, self.targets, values.index_select(0, self.sources))

    def neighbour_mean(self, values: Tensor) -> Tensor:
        """Mean [n, d] of the neighbours' rows of `values` [n, d]; zero for an isolated node."""
        return self.neighbour_sum(values) / self.degree.clamp(min=1).to(values.dtype)[:, None]

    def products(self, values: Tensor, positions: Tensor | None = None) -> Tensor:
        """Inner products [E] of the two ends' rows of `values` [n, d], or [k] at k positions."""
        ends = self.index if positions is None else self.index[:, positions]
        return (values.index_select(0, ends[0]) * values.index_select(0, ends[1])).sum(1)

    def softmax(self, scores: Tensor) -> Tensor:
        """Scores [E] to weights [E] that sum to 1 over the messages of each target; no overflow.

        A score of minus infinity gets weight 0; a node all of whose scores are is left with zeros.
        """
        largest = torch.full((self.nodes,), -torch.inf, dtype=scores.dtype, device=scores.device)
        largest = largest.scatter_reduce(0, self.targets, scores.detach(), "amax")
        largest = torch.where(largest.isfinite(), largest, torch.zeros_like(largest))
        raised = (scores - largest[self.targets]).exp()
        totals = torch.zeros_like(largest).index_add(0, self.targets, raised)
        return raised / torch.where(totals > 0, totals, torch.ones_like(totals))[self.targets]


def unit_rows(values: Tensor) -> Tensor:
    """Rows of `values` [n, d] over their lengths; rows of zeros stay zero, with a gradient of zero.

    Each row is first divided by its largest entry: the squares of tiny float32 gradients would vanish.
    """
    largest = values.detach().abs().amax(dim=1, keepdim=True)
    nonzero = largest > 0
    scaled = values / torch.where(nonzero, largest, torch.ones_like(largest))
    squares = (scaled * scaled).sum(1, keepdim=True)
    lengths = torch.where(nonzero, squares, torch.ones_like(squares)).sqrt()
    return torch.where(nonzero, scaled / lengths, torch.zeros_like(values))
