"""Methods on graphs: node models on PyG's layers, and what corrects their gradients."""

from gradprobe.graphs.models import NodeModel, NodeModelKind, build_node_model, graph_tensors

__all__ = ["NodeModel", "NodeModelKind", "build_node_model", "graph_tensors"]
