"""What is known about one node when its prediction is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
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


def feature_percentiles(values: FloatArray) -> FloatArray:
    """Mid-rank percentiles [n, k] of features [n, k] among the nodes where each is defined, not NaN.

    Ties share the middle of their ranks. NaN where undefined, and in a column whose defined values are
    all the same: a value that all nodes share stands nowhere among them.

    >>> feature_percentiles(np.array([[1.0], [5.0], [5.0], [9.0]])).ravel()
    array([12.5, 50. , 50. , 87.5])
    """
    percentiles = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        rows = np.flatnonzero(~np.isnan(values[:, column]))
        ordered = np.sort(values[rows, column])
        if rows.size and ordered[0] < ordered[-1]:
            below = np.searchsorted(ordered, values[rows, column], side="left")
            through = np.searchsorted(ordered, values[rows, column], side="right")
            percentiles[rows, column] = 100.0 * (below + through) / (2 * rows.size)
    return percentiles


def node_contexts(
    positions: Sequence[int],
    features: FloatArray,
    *,
    ids: Sequence[int],
    predicted: Sequence[int],
    probabilities: Sequence[float],
    degrees: Sequence[int],
    names: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
) -> tuple[NodeContext, ...]:
    """The contexts of some of k nodes, from what is known about all of them.

    Args:
        positions: of the nodes to describe among the k.
        features: [k, 6] in the order of `geometry.graph.FEATURES`, NaN where undefined.
        ids: what each of the k nodes is called.
        predicted: the class [k] that the model predicts.
        probabilities: [k] of that class.
        degrees: [k] of the nodes.
        names: of the classes; their numbers by default.
        labels: the true classes [k], -1 for none; by default they stay out of every explanation.
    """
    percentiles = feature_percentiles(features)

    def class_name(index: int) -> str:
        return names[index] if names is not None else str(index)

    def describe(at: int) -> NodeContext:
        undefined = np.isnan(features[at])
        return NodeContext(
            node=int(ids[at]),
            prediction=class_name(predicted[at]),
            probability=float(probabilities[at]),
            degree=int(degrees[at]),
            values=tuple(features[at].tolist()),
            percentiles=tuple(percentiles[at].tolist()),
            undefined={d.name: d.absent for d, gap in zip(DESCRIPTIONS, undefined, strict=True) if gap},
            label=class_name(labels[at]) if labels is not None and labels[at] >= 0 else None,
        )

    return tuple(describe(at) for at in positions)
