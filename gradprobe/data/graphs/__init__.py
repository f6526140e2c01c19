"""Graphs with labelled nodes: loaded, read, drawn at random, checked and split."""

from gradprobe.data.graphs.blocks import stochastic_block_model
from gradprobe.data.graphs.building import build_node_dataset
from gradprobe.data.graphs.catalog import list_graphs, load_graph
from gradprobe.data.graphs.dataset import NodeDataset, NodeSplit
from gradprobe.data.graphs.reading import read_graph
from gradprobe.data.graphs.splits import class_splits, random_splits

__all__ = [
    "NodeDataset",
    "NodeSplit",
    "build_node_dataset",
    "class_splits",
    "list_graphs",
    "load_graph",
    "random_splits",
    "read_graph",
    "stochastic_block_model",
]
