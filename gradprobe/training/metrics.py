"""Scores of predictions; NaN where a score is undefined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.errors import missing_extra
from gradprobe.geometry import FloatArray

_NAN = float("nan")


@dataclass(frozen=True)
class Metrics:
    """Scores on n labels; those of the other kind of task are NaN.

    `rae` is the relative absolute error, `mae` in the label's unit.
    """

    n: int
    rae: float = _NAN
    mae: float = _NAN
    r2: float = _NAN
    auroc: float = _NAN
    average_precision: float = _NAN


def regression_metrics(labels: FloatArray, predictions: FloatArray) -> Metrics:
    """RAE, MAE and R2 of predictions [n] for labels [n].

    RAE and R2 compare with the mean of these labels and are NaN where they are constant. All are NaN
    where a prediction is not finite.
    """
    if not len(labels) or not np.isfinite(predictions).all():
        return Metrics(n=len(labels))
    try:
        from sklearn.metrics import mean_absolute_error, r2_score
    except ImportError as error:
        raise missing_extra("scikit-learn", "molecules") from error

    constant = bool(labels.min() == labels.max())
    return Metrics(
        n=len(labels),
        rae=relative_absolute_error(labels, predictions),
        mae=float(mean_absolute_error(labels, predictions)),
        r2=_NAN if constant else float(r2_score(labels, predictions)),
    )


def classification_metrics(labels: FloatArray, probabilities: FloatArray) -> Metrics:
    """AUROC and average precision of probabilities [n] for labels [n] of 0 and 1.

    NaN where all labels are of one class or a probability is not finite.
    """
    if len(np.unique(labels)) < 2 or not np.isfinite(probabilities).all():
        return Metrics(n=len(labels))
    try:
        from sklearn.metrics import average_precision_score, roc_auc_score
    except ImportError as error:
        raise missing_extra("scikit-learn", "molecules") from error

    return Metrics(
        n=len(labels),
        auroc=float(roc_auc_score(labels, probabilities)),
        average_precision=float(average_precision_score(labels, probabilities)),
    )


def relative_absolute_error(labels: FloatArray, predictions: FloatArray) -> float:
    """Sum |y - prediction| / sum |y - mean of y| over labels [n]; NaN for constant labels.

    1 is the error of predicting the mean; predicting the median may score less.
    """
    if not len(labels) or labels.min() == labels.max():
        return _NAN
    return float(np.abs(labels - predictions).sum() / np.abs(labels - labels.mean()).sum())
