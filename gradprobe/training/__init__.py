"""Training a multi-task model: a combiner sets the trunk's update, heads keep their own gradients."""

from gradprobe.training.batches import BalancedBatches, Batch, Batches, UnionBatches, make_batches
from gradprobe.training.data import TrainingData
from gradprobe.training.evaluation import Predicted, evaluate, predict, predict_rows, predict_split, score
from gradprobe.training.loop import Observer, Progress, train
from gradprobe.training.losses import TaskLosses
from gradprobe.training.metrics import Metrics, classification_metrics, regression_metrics
from gradprobe.training.model import MultiTaskModel, build_model
from gradprobe.training.observe import ProbeObserver
from gradprobe.training.options import TrainingOptions
from gradprobe.training.result import EpochRecord, TrainingResult
from gradprobe.training.update import CombinedUpdate

__all__ = [
    "BalancedBatches",
    "Batch",
    "Batches",
    "CombinedUpdate",
    "EpochRecord",
    "Metrics",
    "MultiTaskModel",
    "Observer",
    "Predicted",
    "ProbeObserver",
    "Progress",
    "TaskLosses",
    "TrainingData",
    "TrainingOptions",
    "TrainingResult",
    "UnionBatches",
    "build_model",
    "classification_metrics",
    "evaluate",
    "make_batches",
    "predict",
    "predict_rows",
    "predict_split",
    "regression_metrics",
    "score",
    "train",
]
