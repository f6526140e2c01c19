"""Methods on graphs: node models on PyG's layers, and what corrects their gradients."""

from gradprobe.graphs.lipschitz import LipschitzNormalization, parametrize_frobenius
from gradprobe.graphs.models import NodeModel, NodeModelKind, build_node_model, graph_tensors

__all__ = [
    "LipschitzNormalization",
    "NodeModel",
    "NodeModelKind",
    "build_node_model",
    "graph_tensors",
    "parametrize_frobenius",
]
