"""Residual propagation in a dynamics study: its power chosen on validation nodes, and timed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from gradprobe.data.graphs import NodeDataset, NodeSplit
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.geometry.intervals import IntArray
from gradprobe.graphs.propagation import UNLABELLED, ResidualPropagation
from gradprobe.records.dynamics import DynamicsOptions, Fit, Method

ODD = (1, 3)


def propagate(graph: NodeDataset, split: NodeSplit, options: DynamicsOptions) -> Iterator[Fit]:
    """Residual propagation on the graph alone, and with a kernel of the features."""
    candidates = {
        power: ResidualPropagation(power=power, iterations=options.steps) for power in options.powers
    }
    yield _best("rp", candidates, graph, split)
    with_kernel = {
        power: ResidualPropagation(power=power, iterations=options.steps, kernel="rbf")
        for power in options.powers
    }
    try:
        yield _best("rp_kernel", with_kernel, graph, split)
    except InputError as error:
        yield Fit(method="rp_kernel", reason=str(error))


def growth_of_odd_powers(graph: NodeDataset, split: NodeSplit) -> dict[int, float]:
    """For the first odd powers the factor by which residuals of training nodes grow in a step."""
    growth = {}
    for power in ODD:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what is asked for here
            model = ResidualPropagation(power=power, iterations=1)
            growth[power] = model.fit(_adjacency(graph), _labels(graph, split.train)).growth_
    return growth


def _best(
    method: Method, candidates: dict[int, ResidualPropagation], graph: NodeDataset, split: NodeSplit
) -> Fit:
    adjacency, features = _adjacency(graph), _features(graph)
    labels = _labels(graph, split.train, split.validation)
    seconds = {}
    for power, model in candidates.items():
        started = time.process_time()
        model.fit(adjacency, labels, features=features, validation=split.validation)
        seconds[power] = time.process_time() - started
    chosen = max(candidates, key=lambda power: candidates[power].scores_.max())
    best = candidates[chosen]
    return Fit(
        method=method,
        validation=float(best.scores_.max()),
        test=float(best.score(split.test, graph.labels[split.test])),
        seconds=seconds[chosen],
        search_seconds=sum(seconds.values()),
        steps=best.n_iter_,
        power=chosen,
        coverage=best.coverage_,
    )


def _adjacency(graph: NodeDataset) -> sparse.coo_array:
    ones = np.ones(graph.edge_index.shape[1])
    return sparse.coo_array((ones, tuple(graph.edge_index)), shape=(graph.nodes, graph.nodes))


def _features(graph: NodeDataset) -> FloatArray:
    """Rows scaled to sum to 1, as the networks get them."""
    sums = np.abs(graph.features).sum(axis=1, keepdims=True)
    return np.asarray(graph.features / np.maximum(sums, 1e-12))


def _labels(graph: NodeDataset, *shown: IntArray) -> IntArray:
    labels = np.full(graph.nodes, UNLABELLED)
    for nodes in shown:
        labels[nodes] = graph.labels[nodes]
    return labels
