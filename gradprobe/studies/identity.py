"""What tells a study's data from other data of the same name."""

from __future__ import annotations

import hashlib

import numpy as np

from gradprobe.data.graphs import NodeDataset


def graph_digest(graph: NodeDataset) -> str:
    """Ten hexadecimal digits of everything that a run on a graph depends on."""
    digest = hashlib.sha256()
    splits = [part for split in graph.splits for part in (split.train, split.validation, split.test)]
    for array in (graph.features, graph.edge_index, graph.labels, *splits):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:10]
