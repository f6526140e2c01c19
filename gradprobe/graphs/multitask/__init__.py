"""Several tasks on whole graphs: the given label beside four properties with a definition."""

from gradprobe.graphs.multitask.encoder import GraphEncoder
from gradprobe.graphs.multitask.properties import PROPERTIES
from gradprobe.graphs.multitask.sets import (
    TASKS,
    GraphSet,
    load_graph_set,
    make_graph_set,
    molecule_graph_set,
)

__all__ = [
    "PROPERTIES",
    "TASKS",
    "GraphEncoder",
    "GraphSet",
    "load_graph_set",
    "make_graph_set",
    "molecule_graph_set",
]
