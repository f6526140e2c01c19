"""Properties of a whole graph that make tasks with a definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

IntArray = npt.NDArray[np.int64]


def size(edges: IntArray, nodes: int) -> float:  # noqa: ARG001 - all properties take the same arguments
    """The number of nodes."""
    return float(nodes)


def mean_degree(edges: IntArray, nodes: int) -> float:
    """Twice the number of edges over the number of nodes, from both directions of every edge [2, E]."""
    return float(edges.shape[1] / nodes)


def rings(edges: IntArray, nodes: int) -> float:
    """The number of independent cycles: edges - nodes + connected components."""
    adjacency = coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(nodes, nodes))
    components: int = connected_components(adjacency, directed=False)[0]
    return float(edges.shape[1] / 2 - nodes + components)


def assortativity(edges: IntArray, nodes: int) -> float:
    """Correlation of the degrees at the two ends of edges; NaN where they are all the same."""
    degrees = np.bincount(edges[0], minlength=nodes)
    ends = np.asarray(degrees[edges], dtype=np.float64)
    if edges.shape[1] == 0 or ends.min() == ends.max():
        return float("nan")
    correlations: npt.NDArray[np.float64] = np.asarray(np.corrcoef(ends))
    return float(correlations[0, 1])


PROPERTIES: Mapping[str, Callable[[IntArray, int], float]] = MappingProxyType(
    {"size": size, "mean_degree": mean_degree, "rings": rings, "assortativity": assortativity}
)
