"""A graph whose nodes carry features and labels, and its splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.geometry.gramian import FloatArray

IntArray = npt.NDArray[np.int64]
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class NodeSplit:
    """The nodes to train on, to validate on and to test on: ids, ascending, all labelled, none in two."""

    train: IntArray
    validation: IntArray
    test: IntArray


@dataclass(frozen=True, eq=False)
class NodeDataset:
    """A graph of n nodes with features [n, d], labels [n] and at least one split.

    `edge_index` [2, E] holds both directions of every edge, sorted, without self-loops and without
    repetition. `labels` run from 0 to `classes` - 1, -1 where a node has none. `notes` say in words what
    was changed or drawn to get here. `build_node_dataset` makes one from untidy arrays.
    """

    name: str
    features: FloatArray
    edge_index: IntArray
    labels: IntArray
    classes: int
    splits: tuple[NodeSplit, ...]
    notes: tuple[str, ...] = ()

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return len(self.labels)

    @property
    def edges(self) -> int:
        """The number of undirected edges."""
        return int(self.edge_index.shape[1]) // 2

    @property
    def homophily(self) -> float:
        """The share of edges between labelled nodes that join nodes of one class; NaN without such edges."""
        source, target = self.labels[self.edge_index]
        labelled = (source != UNLABELLED) & (target != UNLABELLED)
        return float(np.mean(source[labelled] == target[labelled])) if labelled.any() else float("nan")
