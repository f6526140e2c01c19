"""What is known about one node when its prediction is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph import FEATURES
from gradprobe.graphs.explain.features import DESCRIPTIONS


@dataclass(frozen=True)
class NodeContext:
    """A node's context vector, eq. (15), where its values stand among all nodes', and its prediction.

    `values` follow `FEATURES`; NaN where undefined, with the reason in `undefined` by name.
    `percentiles` (0 to 100) count the nodes below, ties by half, among those where the feature is
    defined; NaN where the value is undefined or one for all nodes. `probability` is that of the
    predicted class. `label` is the true class where the caller chose to reveal it.
    """

    node: int
    prediction: str
    probability: float
    degree: int
    values: tuple[float, ...]
    percentiles: tuple[float, ...]
    undefined: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None

    def __post_init__(self) -> None:
        wanted = len(FEATURES)
        for name, given in (("values", self.values), ("percentiles", self.percentiles)):
            if len(given) != wanted:
                raise InputError(
                    f"{name}: expected {wanted} numbers ({', '.join(FEATURES)}), got {len(given)}"
                )

    def value(self, name: str) -> float:
        """The feature of that name."""
        return self.values[FEATURES.index(name)]

    def percentile(self, name: str) -> float:
        """Where the feature of that name stands among all nodes."""
        return self.percentiles[FEATURES.index(name)]


def feature_percentiles(values: FloatArray, defined: BoolArray) -> FloatArray:
    """Mid-rank percentiles [n, k] of features [n, k] among the nodes where each is defined.

    Ties share the middle of their ranks. NaN where undefined, and in a column whose defined values are
    all the same: a value that all nodes share stands nowhere among them.

    >>> feature_percentiles(np.array([[1.0], [5.0], [5.0], [9.0]]), np.array([[True]] * 4)).ravel()
    array([12.5, 50. , 50. , 87.5])
    """
    if values.ndim != 2 or values.shape != defined.shape:
        raise InputError(
            f"values: expected a matrix of nodes by features and a mask like it, got shapes {values.shape} "
            f"and {defined.shape}"
        )
    found = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        rows = np.flatnonzero(defined[:, column] & ~np.isnan(values[:, column]))
        ordered = np.sort(values[rows, column])
        if rows.size and ordered[0] < ordered[-1]:
            below = np.searchsorted(ordered, values[rows, column], side="left")
            through = np.searchsorted(ordered, values[rows, column], side="right")
            found[rows, column] = 100.0 * (below + through) / (2 * rows.size)
    return found


def node_contexts(
    nodes: Sequence[int],
    features: FloatArray,
    defined: BoolArray,
    probabilities: FloatArray,
    degrees: Sequence[int],
    *,
    names: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
) -> tuple[NodeContext, ...]:
    """The contexts of some nodes, from the features [n, 6], their mask and probabilities [n, c] of all nodes.

    Args:
        nodes: the nodes to describe.
        features: in the order of `FEATURES`; what stands where `defined` is False is ignored.
        defined: whether each feature exists.
        probabilities: of the classes, by the model.
        degrees: [n] of the nodes.
        names: of the classes; their numbers by default.
        labels: the true classes [n]; None keeps them out of every explanation.
    """
    percentiles = feature_percentiles(features, defined)

    def class_name(index: int) -> str:
        return names[index] if names is not None else str(index)

    def describe(node: int) -> NodeContext:
        predicted = int(probabilities[node].argmax())
        missing = [feature for feature, known in zip(DESCRIPTIONS, defined[node], strict=True) if not known]
        return NodeContext(
            node=node,
            prediction=class_name(predicted),
            probability=float(probabilities[node, predicted]),
            degree=int(degrees[node]),
            values=tuple(np.where(defined[node], features[node], np.nan).tolist()),
            percentiles=tuple(percentiles[node].tolist()),
            undefined={feature.name: feature.absent for feature in missing},
            label=class_name(int(labels[node])) if labels is not None and labels[node] >= 0 else None,
        )

    return tuple(describe(node) for node in nodes)
