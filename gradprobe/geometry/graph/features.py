"""Six features of each node's gradient, and the context vector that they form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph.contexts import neighbour_mean
from gradprobe.geometry.graph.rows import check_gradients, cosines, norms, over_neighbours, unit_rows
from gradprobe.geometry.graph.topology import NodeGraph

FEATURES = ("conflict", "stability", "influence", "confidence", "role", "receptiveness")
Confidence = Literal["cosine", "pearson", "per_node"]
HUB, BRIDGE, FOLLOWER, OUTLIER = 2.0, 1.5, 1.0, 0.5


@dataclass(frozen=True, eq=False)
class NodeFeatures:
    """Six features of n nodes: `vectors` [n, 6] in the order of `FEATURES`, and whether each is `defined`.

    `vectors` are the context vectors of eq. (15), with the fills that a network needs; the named features
    [n] are NaN wherever undefined.
    """

    vectors: FloatArray
    defined: BoolArray

    def feature(self, name: str) -> FloatArray:
        """One feature [n] by its name in `FEATURES`, NaN where undefined."""
        if name not in FEATURES:
            raise InputError(f"name: expected one of {', '.join(FEATURES)}; got {name!r}")
        column = FEATURES.index(name)
        return np.where(self.defined[:, column], self.vectors[:, column], np.nan)


def node_features(
    gradients: npt.ArrayLike,
    graph: NodeGraph,
    *,
    confidences: npt.ArrayLike | None = None,
    confidence: Confidence = "cosine",
) -> NodeFeatures:
    """The features (18)-(26) of node gradients [n, d] of one loss (GraGR, appendix B).

    - conflict: mean|g| |g_i| (1 - cos(g_i, neighbour mean)); fill 0 without neighbours.
    - stability: mean cosine over pairs of neighbours; a zero neighbour's pairs count as 0; fill 0 with
      fewer than two neighbours.
    - influence: ([A^2 |g|]_i + [A^3 |g|]_i / 2) / (deg_i + 1), over walks, A with the edges' weights, deg
      the number of neighbours.
    - confidence: see below; undefined, fill 0, without `confidences`.
    - role: 2 hub (degree above the 80th percentile, |g| above the 70th), else 1.5 bridge (degree above the
      40th up to the 80th, cosine below 0.5), else 1 follower (cosine above 0.7), else 0.5 outlier. A code.
    - receptiveness: 0.4 (|g_i| - min) / (max - min) + 0.35 (1 - cos) + 0.25 variance of the neighbours' |g|;
      the first is 0 where all are equal, the others are filled with 0 without neighbours. The terms
      have different units.

    The cosine is that with the neighbours' mean, 0 where either is zero. One node alone has no
    features: all undefined.

    Args:
        gradients: sum the tasks, or choose one, before.
        graph: the graph.
        confidences: [n], the largest predicted probability of each node.
        confidence: with c the confidences and s the scaled norms (|g| - min) / (max - min): "cosine"
            is -cos(c, s), one number in [-1, 0] for all nodes, the paper's (21), 0 where all norms
            are equal; "pearson" is minus their correlation, undefined where either is constant;
            "per_node" is each node's term of the cosine.

    Raises:
        InputError: gradients of several tasks, confidences that do not fit, or an unknown kind.
    """
    rows = check_gradients(gradients, graph)
    if rows.ndim != 2:
        raise InputError(
            f"gradients: expected those of one loss [nodes, width], got shape {rows.shape}; sum the tasks"
        )
    defined = np.zeros((graph.nodes, len(FEATURES)), dtype=bool)
    vectors = np.zeros(defined.shape)
    if graph.nodes == 1:
        return NodeFeatures(vectors, defined)
    length, connected = norms(rows), graph.degrees > 0
    cosine = np.nan_to_num(cosines(rows, neighbour_mean(rows, graph)), nan=0.0)
    scaled = _scaled(length)
    levels, known = _confidence(confidences, scaled, confidence)
    columns = (
        (np.where(connected, length.mean() * length * (1.0 - cosine), 0.0), connected),
        (_stability(rows, graph), graph.degrees > 1),
        (_influence(length, graph), np.True_),
        (levels, known),
        (_role(length, cosine, connected, graph.degrees), np.True_),
        (_receptiveness(length, scaled, cosine, graph), connected),
    )
    for place, (values, where) in enumerate(columns):
        vectors[:, place], defined[:, place] = values, where
    return NodeFeatures(vectors, defined)


def _stability(rows: FloatArray, graph: NodeGraph) -> FloatArray:
    """Eq. (19), from |sum of units|^2 = number of non-zero units + 2 sum over pairs of cosines."""
    total = over_neighbours(unit_rows(rows), graph)
    nonzero = over_neighbours(np.asarray(rows.any(axis=1), dtype=np.float64), graph)
    pairs = graph.degrees * (graph.degrees - 1.0)
    stability = np.zeros(graph.nodes)
    np.divide(np.einsum("nd,nd->n", total, total) - nonzero, pairs, out=stability, where=pairs > 0.0)
    return np.clip(stability, -1.0, 1.0)


def _influence(length: FloatArray, graph: NodeGraph) -> FloatArray:
    """Eq. (20)."""
    two = np.asarray(graph.adjacency @ (graph.adjacency @ length))
    return (two + 0.5 * np.asarray(graph.adjacency @ two)) / (graph.degrees + 1.0)


def _confidence(
    confidences: npt.ArrayLike | None, scaled: FloatArray, kind: Confidence
) -> tuple[FloatArray | float, bool]:
    """Eq. (21) and whether it is defined."""
    if kind not in get_args(Confidence):
        raise InputError(f"confidence: expected one of {', '.join(get_args(Confidence))}; got {kind!r}")
    if confidences is None:
        return 0.0, False
    given = np.asarray(confidences, dtype=np.float64)
    if given.shape != scaled.shape or not ((given > 0.0) & (given <= 1.0)).all():
        raise InputError(
            f"confidences: expected a probability above 0 for each of {len(scaled)} nodes, got shape "
            f"{given.shape} or a number that is none; take the largest of each row of softmax"
        )
    if kind == "pearson":
        given, scaled = given - given.mean(), scaled - scaled.mean()
    # The mean of equal numbers may differ from them by rounding.
    size = float(np.linalg.norm(given) * np.linalg.norm(scaled))
    if size <= 1e-12 * len(scaled):
        return 0.0, kind != "pearson"
    terms = -given * scaled / size
    return (terms, True) if kind == "per_node" else (float(np.clip(terms.sum(), -1.0, 1.0)), True)


def _role(length: FloatArray, cosine: FloatArray, connected: BoolArray, degrees: FloatArray) -> FloatArray:
    """Eq. (22); the first that holds."""
    low, high = np.percentile(degrees, [40, 80])
    hub = (degrees > high) & (length > np.percentile(length, 70))
    bridge = connected & (low < degrees) & (degrees <= high) & (cosine < 0.5)
    return np.select([hub, bridge, cosine > 0.7], [HUB, BRIDGE, FOLLOWER], OUTLIER)


def _receptiveness(
    length: FloatArray, scaled: FloatArray, cosine: FloatArray, graph: NodeGraph
) -> FloatArray:
    """Eqs. (23)-(26)."""
    misaligned = np.where(graph.degrees > 0, 1.0 - cosine, 0.0)
    return 0.4 * scaled + 0.35 * misaligned + 0.25 * _variance(length, graph)


def _variance(length: FloatArray, graph: NodeGraph) -> FloatArray:
    """Population variance of the neighbours' norms [n]; 0 without neighbours."""
    number = np.maximum(graph.degrees, 1.0)
    mean = over_neighbours(length, graph) / number
    source, target = graph.edges
    # Around the mean: a difference of squares would be rounding where norms are nearly equal.
    away = np.bincount(source, weights=(length[target] - mean[source]) ** 2, minlength=graph.nodes)
    away += np.bincount(target, weights=(length[source] - mean[target]) ** 2, minlength=graph.nodes)
    return np.asarray(away / number)


def _scaled(length: FloatArray) -> FloatArray:
    """Norms moved and scaled to [0, 1]; zeros where all are equal (eq. 24)."""
    span = length.max() - length.min()
    return (length - length.min()) / span if span > 0.0 else np.zeros(len(length))
