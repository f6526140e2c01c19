"""A trained node model in detail: what figures of one model need, in modest size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gradprobe.data.graphs import NodeDataset
from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.geometry.graph import (
    FEATURES,
    NodeGraph,
    alignment,
    gradient_attention,
    node_features,
    node_graph,
)
from gradprobe.graphs.gragr import Correction, GraGROptions, NodeEpoch, NodeLearner, NodeTrainingResult
from gradprobe.graphs.node_data import NodeData
from gradprobe.records.nodes import NodeMoment, NodeNeighbourhood, NodeSnapshot, Numbers

MOST_NODES = 2000
_MOST_NEIGHBOURS = 30  # more would not be told apart in a figure


@dataclass
class EarlierState:
    """Keeps, for each start, the parameters of the last epoch before reasoning began.

    Of the first epoch where reasoning began at once; `of` gives that one too where it never began.
    """

    _kept: dict[int, list[tuple[int, Mapping[str, Tensor]]]] = field(default_factory=dict)
    _began: set[int] = field(default_factory=set)

    def __call__(self, start: int, epoch: NodeEpoch, learner: NodeLearner) -> None:
        """After an epoch of a start."""
        if epoch.reasoning and epoch.epoch > 1:
            self._began.add(start)
        if start in self._began:
            return
        state = {name: value.detach().clone() for name, value in learner.model.state_dict().items()}
        self._kept[start] = [*self._kept.get(start, [])[:1], (epoch.epoch, state)]

    def of(self, start: int) -> tuple[int, Mapping[str, Tensor]]:
        """The epoch and the parameters of a start."""
        return self._kept[start][-1 if start in self._began else 0]


def take_snapshot(
    graph: NodeDataset,
    data: NodeData,
    result: NodeTrainingResult,
    earlier: tuple[int, Mapping[str, Tensor]],
    options: GraGROptions,
) -> NodeSnapshot:
    """The snapshot of a trained model; of a large graph, 2,000 nodes drawn at random but always alike."""
    shape = node_graph(graph.edge_index, graph.nodes)
    nodes = _sample(graph.nodes)
    correction = options.correction if options.conflict or options.alignment else Correction()
    best = {name: value.detach().clone() for name, value in result.model.state_dict().items()}
    result.model.load_state_dict(dict(earlier[1]))
    before = _look(result.learner, data, correction)
    result.model.load_state_dict(best)
    after = _look(result.learner, data, correction)
    features = node_features(after.gradient, shape, confidences=after.probabilities.max(axis=1))
    conflict = features.feature(FEATURES[0])
    return NodeSnapshot(
        total=graph.nodes,
        nodes=tuple(nodes.tolist()),
        labels=tuple(graph.labels[nodes].tolist()),
        predicted=tuple(after.probabilities.argmax(axis=1)[nodes].tolist()),
        probability=tuple(_digits(after.probabilities.max(axis=1)[nodes])),
        degree=tuple(shape.degrees[nodes].astype(int).tolist()),
        clustering=_numbers(clustering(shape)[nodes]),
        alignment_before=_numbers(alignment(after.gradient, shape)[nodes]),
        alignment_after=_numbers(alignment(after.corrected, shape)[nodes]),
        zero_share=float(np.mean(~after.gradient.any(axis=1))),
        before=_moment(earlier[0], before, nodes),
        after=_moment(result.best_epoch, after, nodes),
        features=tuple(_numbers(row) for row in np.where(features.defined, features.vectors, np.nan)[nodes]),
        neighbourhood=_neighbourhood(after, conflict, shape, options),
    )


def clustering(graph: NodeGraph) -> FloatArray:
    """Local clustering coefficients [n]: the share of a node's pairs of neighbours that are neighbours.

    NaN with fewer than two neighbours.
    """
    adjacency = graph.neighbours
    triangles = np.asarray((adjacency @ adjacency).multiply(adjacency).sum(axis=1)) / 2.0
    pairs = graph.degrees * (graph.degrees - 1.0) / 2.0
    found = np.full(graph.nodes, np.nan)
    np.divide(triangles, pairs, out=found, where=pairs > 0.0)
    return found


@dataclass(frozen=True, eq=False)
class _Look:
    """A model without dropout: first hidden layer [n, d], its gradients, flags [n], probabilities [n, c]."""

    hidden: FloatArray
    gradient: FloatArray
    corrected: FloatArray
    conflicting: BoolArray
    probabilities: FloatArray


def _look(learner: NodeLearner, data: NodeData, correction: Correction) -> _Look:
    model = learner.model.eval()
    hidden, *_, logits = model.representations(data.x, data.edge_index)
    loss = cross_entropy(logits[data.train], data.y[data.train])
    (gradient,) = torch.autograd.grad(loss, hidden)
    corrected = correction(gradient, learner.edges)
    return _Look(
        hidden=_array(hidden),
        gradient=_array(gradient),
        corrected=_array(corrected.gradient),
        conflicting=corrected.conflicting.numpy(),
        probabilities=_array(logits.softmax(1)),
    )


def _moment(epoch: int, look: _Look, nodes: np.ndarray) -> NodeMoment:
    plane = principal_plane(look.hidden)[nodes]
    return NodeMoment(
        epoch=epoch,
        embedding=tuple((float(f"{x:.4g}"), float(f"{y:.4g}")) for x, y in plane),
        conflicting=tuple(look.conflicting[nodes].tolist()),
    )


def principal_plane(rows: FloatArray) -> FloatArray:
    """Rows [n, d] on their two main directions [n, 2], each turned so that its largest entry is positive."""
    centred = rows - rows.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    plane = np.zeros((len(rows), 2))
    for axis, direction in enumerate(directions):
        sign = 1.0 if direction[np.abs(direction).argmax()] >= 0.0 else -1.0
        plane[:, axis] = sign * (centred @ direction)
    return plane


def _neighbourhood(
    look: _Look, intensity: FloatArray, graph: NodeGraph, options: GraGROptions
) -> NodeNeighbourhood | None:
    """The flagged node of highest conflict intensity that a figure can show; None where there is none."""
    shown = look.conflicting & (graph.degrees > 1) & (graph.degrees <= _MOST_NEIGHBOURS)
    if not shown.any():
        return None
    node = int(np.argmax(np.where(shown, np.nan_to_num(intensity), -1.0)))
    attention = gradient_attention(
        look.corrected, graph, temperature=options.temperature, cosine=options.similarity == "cosine"
    )
    own = attention.receivers == node
    neighbours = attention.senders[own]
    return NodeNeighbourhood(
        node=node,
        neighbours=tuple(neighbours.tolist()),
        weights=tuple(_digits(attention.shares[own])),
        conflicting=tuple(look.conflicting[neighbours].tolist()),
    )


def _sample(nodes: int) -> np.ndarray:
    if nodes <= MOST_NODES:
        return np.arange(nodes)
    return np.sort(np.random.default_rng(0).choice(nodes, MOST_NODES, replace=False))


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().double().numpy()


def _digits(values: FloatArray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _numbers(values: FloatArray) -> Numbers:
    return tuple(None if np.isnan(value) else float(f"{value:.4g}") for value in values)
