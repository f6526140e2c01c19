"""GraGR and GraGR++: per-node gradients as signals in training (the paper's equations 1-14)."""

from gradprobe.graphs.gragr.attention import attending, gradient_attention, message_weights
from gradprobe.graphs.gragr.conflict import conflict_loss, node_energy, task_energy
from gradprobe.graphs.gragr.correction import Corrected, Correction
from gradprobe.graphs.gragr.edges import Edges
from gradprobe.graphs.gragr.learner import NodeLearner
from gradprobe.graphs.gragr.meta import conflict_hypergradient, hypergradient, onto_simplex
from gradprobe.graphs.gragr.options import (
    ABLATION,
    METHODS,
    GraGROptions,
    NodeTrainingOptions,
    is_whole,
    method_options,
)
from gradprobe.graphs.gragr.pathways import GatedConv
from gradprobe.graphs.gragr.schedule import PlateauGate
from gradprobe.graphs.gragr.selection import select_start
from gradprobe.graphs.gragr.train import NodeEpoch, NodeObserver, NodeTrainingResult, train_nodes

__all__ = [
    "ABLATION",
    "METHODS",
    "Corrected",
    "Correction",
    "Edges",
    "GatedConv",
    "GraGROptions",
    "NodeEpoch",
    "NodeLearner",
    "NodeObserver",
    "NodeTrainingOptions",
    "NodeTrainingResult",
    "PlateauGate",
    "attending",
    "conflict_hypergradient",
    "conflict_loss",
    "gradient_attention",
    "hypergradient",
    "is_whole",
    "message_weights",
    "method_options",
    "node_energy",
    "onto_simplex",
    "select_start",
    "task_energy",
    "train_nodes",
]
