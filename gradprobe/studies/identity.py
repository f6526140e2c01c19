"""What a study keeps of its graph: a digest that tells it from others of the same name, and its numbers."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from gradprobe.data.graphs import NodeDataset


def graph_digest(graph: NodeDataset) -> str:
    """Ten hexadecimal digits of everything that a run on a graph depends on."""
    digest = hashlib.sha256()
    splits = [part for split in graph.splits for part in (split.train, split.validation, split.test)]
    for array in (graph.features, graph.edge_index, graph.labels, *splits):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:10]


def graph_facts(graph: NodeDataset) -> dict[str, Any]:
    """The fields of `records.graph.GraphRecord`."""
    return {
        "name": graph.name,
        "nodes": graph.nodes,
        "edges": graph.edges,
        "features": graph.features.shape[1],
        "classes": graph.classes,
        "homophily": None if math.isnan(graph.homophily) else graph.homophily,
        "notes": graph.notes,
    }


# The packages on which results of studies on graphs depend.
GRAPH_PACKAGES = ("gradprobe", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")
