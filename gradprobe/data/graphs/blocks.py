"""A graph drawn at random whose homophily is known."""

from __future__ import annotations

import numpy as np

from gradprobe.data.graphs.building import build_node_dataset
from gradprobe.data.graphs.dataset import IntArray, NodeDataset
from gradprobe.data.graphs.splits import class_splits
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


def stochastic_block_model(
    *,
    homophily: float,
    seed: int = 0,
    nodes: int = 500,
    classes: int = 4,
    degree: float = 8.0,
    features: int = 32,
    signal: float = 2.0,
) -> NodeDataset:
    """A graph of equal classes in which an edge joins nodes of one class with probability `homophily`.

    Every pair of nodes is joined independently, with one probability within and one across classes, set
    so that `degree` is the mean degree and `homophily` the edge homophily, both in expectation.
    Features [n, d] are standard normal around a mean of length `signal` for each class, in a random
    direction. Ten splits of 20 training and 30 validation nodes per class. All n^2 / 2 pairs are
    drawn: meant for thousands of nodes.

    Raises:
        InputError: a homophily outside [0, 1], fewer than two classes or 52 nodes a class, or a degree
            that the pairs cannot hold.
    """
    if not 0.0 <= homophily <= 1.0:
        raise InputError(f"homophily: expected a share from 0 to 1, got {homophily}")
    if classes < 2 or nodes < 52 * classes or features < 1:
        raise InputError(
            "nodes, classes, features: expected at least two classes of 52 nodes and one feature, got "
            f"{nodes}, {classes} and {features}"
        )
    generator = np.random.default_rng(seed)
    labels = np.sort(np.arange(nodes) % classes)
    pairs = _pairs(labels, homophily, degree, generator)
    means = generator.standard_normal((classes, features))
    means *= signal / np.linalg.norm(means, axis=1, keepdims=True)
    drawn: FloatArray = means[labels] + generator.standard_normal((nodes, features))
    return build_node_dataset(
        f"sbm:{homophily:g}",
        features=drawn,
        edge_index=np.concatenate([pairs, pairs[::-1]], axis=1),
        labels=labels,
        splits=class_splits(labels, seed=seed),
        notes=(
            f"stochastic block model of seed {seed} with an expected homophily of {homophily:g} and an "
            f"expected degree of {degree:g}; splits drawn with 20 training and 30 validation nodes per class",
        ),
    )


def _pairs(labels: IntArray, homophily: float, degree: float, generator: np.random.Generator) -> IntArray:
    first, second = np.triu_indices(len(labels), k=1)
    alike = labels[first] == labels[second]
    wanted = degree * len(labels) / 2
    within, across = homophily * wanted / alike.sum(), (1.0 - homophily) * wanted / (~alike).sum()
    if not (degree > 0 and max(within, across) <= 1.0):
        raise InputError(
            f"degree: expected a positive mean degree that the pairs of nodes can hold, got {degree}; "
            "take a smaller one or more nodes"
        )
    drawn = generator.random(len(first)) < np.where(alike, within, across)
    return np.stack([first[drawn], second[drawn]])
