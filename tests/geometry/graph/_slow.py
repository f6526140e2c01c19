"""Slow, obvious node quantities: loops over nodes and edges, dense matrices, straight from the equations."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradprobe.geometry.graph import NodeGraph, node_graph


@dataclass(frozen=True)
class Case:
    """A graph with node gradients, and its dense weighted adjacency."""

    graph: NodeGraph
    gradients: np.ndarray
    adjacency: np.ndarray

    @property
    def nodes(self):
        return len(self.adjacency)

    def around(self, node):
        return [other for other in range(self.nodes) if self.adjacency[node, other] > 0]

    @property
    def pairs(self):
        return [(u, v) for u, v in combinations(range(self.nodes), 2) if self.adjacency[u, v] > 0]


# A triangle with a tail and a star (two components), an isolated node at the end.
EDGES = [(0, 1), (1, 2), (0, 2), (2, 3), (4, 5), (4, 6), (4, 7), (4, 8), (7, 8)]
NODES = 10


def case(*, weighted=False, tasks=None, seed=0, width=3):
    """The graph with random gradients; node 3's, and node 6's of the first task, are zero."""
    generator = np.random.default_rng(seed)
    shape = (NODES, width) if tasks is None else (tasks, NODES, width)
    gradients = generator.standard_normal(shape)
    gradients[..., 3, :] = 0.0
    gradients[(6,) if tasks is None else (0, 6)] = 0.0
    weights = generator.uniform(0.5, 2.0, len(EDGES)) if weighted else np.ones(len(EDGES))
    adjacency = np.zeros((NODES, NODES))
    for (u, v), weight in zip(EDGES, weights, strict=True):
        adjacency[u, v] = adjacency[v, u] = weight
    index = np.argwhere(adjacency > 0).T
    graph = node_graph(index, NODES, weights=adjacency[index[0], index[1]] if weighted else None)
    return Case(graph, gradients, adjacency)


def cosine(a, b, undefined=np.nan):
    """Cosine of two vectors."""
    size = np.sqrt(np.sum(a * a)) * np.sqrt(np.sum(b * b))
    return undefined if size == 0 else float(np.sum(a * b) / size)


def neighbour_means(found, gradients):
    return np.array(
        [
            np.mean([gradients[u] for u in found.around(v)], axis=0) if found.around(v) else 0 * gradients[v]
            for v in range(found.nodes)
        ]
    )


def features(found, confidences, kind="cosine"):
    """Equations (18)-(26), node by node."""
    g, A, n = found.gradients, found.adjacency, found.nodes
    size = np.array([np.sqrt(sum(x * x)) for x in g])
    degree = np.array([len(found.around(v)) for v in range(n)], dtype=float)
    means = neighbour_means(found, g)
    cosines = np.array([cosine(g[v], means[v], undefined=0.0) for v in range(n)])
    scaled = (size - size.min()) / (size.max() - size.min())
    walks = (A @ A @ size + 0.5 * (A @ A @ A @ size)) / (degree + 1)
    table = np.zeros((n, 6))
    for v in range(n):
        near = found.around(v)
        if near:
            table[v, 0] = size.mean() * size[v] * (1 - cosines[v])
        if len(near) > 1:
            table[v, 1] = np.mean([cosine(g[j], g[k], undefined=0.0) for j, k in combinations(near, 2)])
        table[v, 2] = walks[v]
        table[v, 3] = {
            "cosine": -cosine(confidences, scaled),
            "pearson": -np.corrcoef(confidences, scaled)[0, 1],
            "per_node": -confidences[v] * scaled[v] / np.linalg.norm(confidences) / np.linalg.norm(scaled),
        }[kind]
        if degree[v] > np.percentile(degree, 80) and size[v] > np.percentile(size, 70):
            table[v, 4] = 2.0
        elif near and np.percentile(degree, 40) < degree[v] <= np.percentile(degree, 80) and cosines[v] < 0.5:
            table[v, 4] = 1.5
        else:
            table[v, 4] = 1.0 if near and cosines[v] > 0.7 else 0.5
        misaligned = 1 - cosines[v] if near else 0.0
        spread = np.var([size[j] for j in near]) if near else 0.0
        table[v, 5] = 0.4 * scaled[v] + 0.35 * misaligned + 0.25 * spread
    return table
