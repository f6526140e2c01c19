"""Quantities of per-node gradients on a graph: conflict, correction, attention and features of nodes.

Node gradients are [n, d], or [T, n, d] for T tasks; everything is O(E d) and needs no torch.
"""

from gradprobe.geometry.graph.attention import Attention, gradient_attention
from gradprobe.geometry.graph.conflict import (
    EdgeConflict,
    conflict_flags,
    edge_conflict,
    task_conflict,
    task_similarities,
)
from gradprobe.geometry.graph.contexts import alignment, neighbour_mean, principal_direction
from gradprobe.geometry.graph.features import FEATURES, Confidence, NodeFeatures, node_features
from gradprobe.geometry.graph.mixing import MixedConflict, mixed_conflict
from gradprobe.geometry.graph.projection import project
from gradprobe.geometry.graph.smoothing import LaplacianSystem, smooth, smooth_descent, smooth_jacobi
from gradprobe.geometry.graph.topology import NodeGraph, node_graph

__all__ = [
    "FEATURES",
    "Attention",
    "Confidence",
    "EdgeConflict",
    "LaplacianSystem",
    "MixedConflict",
    "NodeFeatures",
    "NodeGraph",
    "alignment",
    "conflict_flags",
    "edge_conflict",
    "gradient_attention",
    "mixed_conflict",
    "neighbour_mean",
    "node_features",
    "node_graph",
    "principal_direction",
    "project",
    "smooth",
    "smooth_descent",
    "smooth_jacobi",
    "task_conflict",
    "task_similarities",
]
