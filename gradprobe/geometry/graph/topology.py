"""The graph that per-node gradients live on: undirected edges counted once, and their adjacency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NodeGraph:
    """An undirected graph: `edges` [2, E] with source < target, sorted, each edge once, no self-loops.

    `weights` [E] are positive, all 1 for a graph without weights. `node_graph` makes one from an edge index.
    """

    nodes: int
    edges: IntArray
    weights: FloatArray

    @cached_property
    def degrees(self) -> FloatArray:
        """The number [n] of neighbours of each node, whatever the weights."""
        return np.bincount(self.edges.ravel(), minlength=self.nodes).astype(np.float64)

    @cached_property
    def neighbours(self) -> csr_array[np.float64, tuple[int, int]]:
        """The binary adjacency [n, n]; the indices of row i are the neighbours of node i."""
        return symmetric(self.edges, np.ones(self.edges.shape[1]), self.nodes)

    @cached_property
    def adjacency(self) -> csr_array[np.float64, tuple[int, int]]:
        """The adjacency [n, n] with the weights."""
        if np.all(self.weights == 1.0):
            return self.neighbours
        return symmetric(self.edges, self.weights, self.nodes)

    @cached_property
    def strengths(self) -> FloatArray:
        """The sum [n] of the weights of each node's edges: its degree in the Laplacian."""
        return np.asarray(self.adjacency.sum(axis=1), dtype=np.float64)


def node_graph(edge_index: npt.ArrayLike, nodes: int, *, weights: npt.ArrayLike | None = None) -> NodeGraph:
    """A graph from pairs [2, E] in one direction or both, as PyG holds them, and a weight [E] for each.

    Both directions of an edge, and repetitions, are one edge. Self-loops are left out: they cancel in
    the Laplacian, and a node is no neighbour of itself. A graph may be without edges here.

    Raises:
        InputError: no nodes, not pairs of nodes from 0 to `nodes` - 1, weights that do not fit or are not
            positive and finite, or differ between mentions of an edge.
    """
    pairs = _pairs(edge_index, nodes)
    given = np.ones(pairs.shape[1]) if weights is None else _weights(weights, pairs.shape[1])
    kept = pairs[0] != pairs[1]
    low, high = pairs.min(axis=0)[kept], pairs.max(axis=0)[kept]
    if weights is None:
        # Sorted by hand: `np.unique` goes through a hash table, ten times as slow on millions of edges.
        codes = np.sort(low * nodes + high)
        codes = codes[np.append(True, codes[1:] != codes[:-1])[: len(codes)]]
        return NodeGraph(nodes, np.stack(np.divmod(codes, nodes)), np.ones(len(codes)))
    codes, first, place = np.unique(low * nodes + high, return_index=True, return_inverse=True)
    values = given[kept][first]
    differing = np.flatnonzero(given[kept] != values[place])
    if differing.size:
        at = differing[0]
        raise InputError(
            f"weights: expected one weight an edge, got {values[place[at]]:g} and {given[kept][at]:g} for "
            f"the edge {int(low[at])}-{int(high[at])}; give both directions the same"
        )
    return NodeGraph(nodes, np.stack(np.divmod(codes, nodes)), values)


def symmetric(edges: IntArray, values: FloatArray, nodes: int) -> csr_array[np.float64, tuple[int, int]]:
    """The symmetric matrix [n, n] with a value [E] for each edge, zeros among them kept, columns in order."""
    # 32-bit indices halve the memory of a graph with millions of edges.
    low, high = edges.astype(np.int32 if nodes < 2**31 else np.int64)
    both = coo_array(
        (np.concatenate([values, values]), (np.concatenate([low, high]), np.concatenate([high, low]))),
        shape=(nodes, nodes),
    )
    matrix = csr_array(both)
    matrix.sort_indices()
    return matrix


def _pairs(edge_index: npt.ArrayLike, nodes: int) -> IntArray:
    if nodes < 1:
        raise InputError(f"nodes: expected at least one, got {nodes}")
    pairs = np.asarray(edge_index)
    if pairs.ndim != 2 or len(pairs) != 2 or (pairs.size and not np.issubdtype(pairs.dtype, np.integer)):
        raise InputError(
            f"edge_index: expected pairs of whole numbers [2, E], got shape {pairs.shape} of {pairs.dtype}"
        )
    if pairs.size and (pairs.min() < 0 or pairs.max() >= nodes):
        raise InputError(
            f"edge_index: expected nodes from 0 to {nodes - 1}, got {pairs.min()} to {pairs.max()}"
        )
    return pairs.astype(np.int64, copy=False)


def _weights(weights: npt.ArrayLike, count: int) -> FloatArray:
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (count,) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(
            f"weights: expected a positive finite number for each of {count} pairs, got shape {values.shape} "
            "or a number that is not; leave edges without weight out"
        )
    return values
