"""Model editing by gradient rewiring: an editor, its baselines, and the protocols that judge them."""

from gradprobe.graphs.editing.anchors import Anchors, split_training, take_anchors
from gradprobe.graphs.editing.classifier import Classifier
from gradprobe.graphs.editing.discrepancy import Discrepancy, gradient_discrepancy, measure_discrepancies
from gradprobe.graphs.editing.editor import Edit, Editor
from gradprobe.graphs.editing.protocols import EditScores, ProtocolRun, ScoredEdit, run_protocol
from gradprobe.graphs.editing.side_network import SideNetwork, fit_side_network

__all__ = [
    "Anchors",
    "Classifier",
    "Discrepancy",
    "Edit",
    "EditScores",
    "Editor",
    "ProtocolRun",
    "ScoredEdit",
    "SideNetwork",
    "fit_side_network",
    "gradient_discrepancy",
    "measure_discrepancies",
    "run_protocol",
    "split_training",
    "take_anchors",
]
