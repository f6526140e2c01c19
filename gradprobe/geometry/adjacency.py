"""The normalised adjacency of a graph, through which graph convolutions and label propagation spread."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

IntArray = npt.NDArray[np.int64]
# As text, since the class takes parameters at run time only in later versions of scipy than the lowest.
SparseMatrix: TypeAlias = "sparse.csr_array[np.float64, tuple[int, int]]"


def normalised_adjacency(edge_index: IntArray, nodes: int, *, self_loops: bool = True) -> SparseMatrix:
    """The matrix D^-1/2 (A + I) D^-1/2 [n, n] of an undirected graph with edges [2, e] (Kipf & Welling 2017).

    An edge may be given in one or both directions, and repeated: A is binary and symmetric, with no loops
    of its own. Without `self_loops` it is D^-1/2 A D^-1/2, where a node without neighbours has a row of
    zeros.

    Raises:
        InputError: the edges are not pairs of node numbers.

    >>> normalised_adjacency(np.array([[0], [1]]), 2).toarray().round(6).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    edges = np.asarray(edge_index)
    if edges.ndim != 2 or len(edges) != 2 or (edges.size and not np.issubdtype(edges.dtype, np.integer)):
        raise InputError(f"edge_index: expected integers [2, edges], got {edges.dtype} {edges.shape}")
    if edges.size and (edges.min() < 0 or edges.max() >= nodes):
        raise InputError(
            f"edge_index: expected nodes from 0 to {nodes - 1}, got {edges.min()} to {edges.max()}"
        )
    source, target = edges[:, edges[0] != edges[1]]
    loops = np.arange(nodes if self_loops else 0)
    rows = np.concatenate([source, target, loops])
    columns = np.concatenate([target, source, loops])
    adjacency = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(nodes, nodes))
    adjacency.sum_duplicates()  # which not every version of scipy does by itself
    adjacency.data[:] = 1.0
    degrees: FloatArray = np.asarray(adjacency.sum(axis=1))
    scale = np.divide(1.0, np.sqrt(degrees), out=np.zeros(nodes), where=degrees > 0)
    return sparse.csr_array(adjacency * scale[:, None] * scale[None, :])
