"""Scores of class predictions on nodes or graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.errors import missing_extra
from gradprobe.geometry import FloatArray

NAN = float("nan")


@dataclass(frozen=True)
class ClassScores:
    """Accuracy, macro F1 and macro one-against-rest AUROC on n labels, in [0, 1].

    `f1` averages the classes that are labelled or predicted; `auroc` averages those that some of the
    labels are of, but not all; NaN where there is none.
    """

    n: int
    accuracy: float
    f1: float
    auroc: float


def class_scores(labels: np.ndarray, probabilities: FloatArray) -> ClassScores:
    """Scores of class probabilities [n, c] for labels [n]; all NaN where a probability is not finite."""
    if not len(labels) or not np.isfinite(probabilities).all():
        return ClassScores(len(labels), NAN, NAN, NAN)
    try:
        from sklearn.metrics import f1_score, roc_auc_score
    except ImportError as error:
        raise missing_extra("scikit-learn", "graphs") from error

    predicted = probabilities.argmax(axis=1)
    present = [c for c in range(probabilities.shape[1]) if 0 < (labels == c).sum() < len(labels)]
    areas = [roc_auc_score(labels == c, probabilities[:, c]) for c in present]
    return ClassScores(
        n=len(labels),
        accuracy=float((predicted == labels).mean()),
        f1=float(f1_score(labels, predicted, average="macro", zero_division=0.0)),
        auroc=float(np.mean(areas)) if areas else NAN,
    )
