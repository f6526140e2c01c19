"""Scores of predictions; NaN where a score is undefined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.errors import missing_extra
from gradprobe.geometry import FloatArray

_NAN = float("nan")
# Why a score is undefined.
NO_LABELS = "no labels"
NO_POSITIVES = "no positives"
NO_NEGATIVES = "no negatives"
ALL_EQUAL = "all labels are equal"
NOT_FINITE = "a prediction is not finite"


@dataclass(frozen=True)
class Metrics:
    """Scores on n labels; those of the other kind of task are NaN.

    `rae` is the relative absolute error; `mae` and `rmse` are in the label's unit. `mean_rae` and
    `median_rae` are the RAE of the constants to beat, the mean and the median of the train labels.
    `undefined` says why there is no RAE or AUROC.
    """

    n: int
    rae: float = _NAN
    mae: float = _NAN
    r2: float = _NAN
    auroc: float = _NAN
    average_precision: float = _NAN
    rmse: float = _NAN
    spearman: float = _NAN
    mean_rae: float = _NAN
    median_rae: float = _NAN
    undefined: str = ""


def regression_metrics(
    labels: FloatArray, predictions: FloatArray, *, train: FloatArray | None = None
) -> Metrics:
    """The scores of predictions [n] for labels [n]; `train` [k] are the labels of the train split.

    RAE, R2 and Spearman's correlation are NaN where the labels are constant, the correlation also where the
    predictions are. All are NaN where a prediction is not finite. Without `train` no constant is scored.
    """
    if not len(labels):
        return Metrics(n=0, undefined=NO_LABELS)
    constants = _constants(labels, train)
    if not np.isfinite(predictions).all():
        return Metrics(n=len(labels), **constants, undefined=NOT_FINITE)
    try:
        from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
    except ImportError as error:
        raise missing_extra("scikit-learn", "molecules") from error

    constant = bool(labels.min() == labels.max())
    return Metrics(
        n=len(labels),
        rae=relative_absolute_error(labels, predictions),
        mae=float(mean_absolute_error(labels, predictions)),
        r2=_NAN if constant else float(r2_score(labels, predictions)),
        rmse=float(root_mean_squared_error(labels, predictions)),
        spearman=_spearman(labels, predictions),
        **constants,
        undefined=ALL_EQUAL if constant else "",
    )


def classification_metrics(labels: FloatArray, probabilities: FloatArray) -> Metrics:
    """AUROC and average precision of probabilities [n] for labels [n] of 0 and 1.

    NaN where all labels are of one class or a probability is not finite.
    """
    if why := _no_ranking(labels, probabilities):
        return Metrics(n=len(labels), undefined=why)
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


def _constants(labels: FloatArray, train: FloatArray | None) -> dict[str, float]:
    """The RAE of predicting the mean and the median of the train labels throughout."""
    if train is None or not len(train):
        return {}
    return {
        "mean_rae": relative_absolute_error(labels, np.full(len(labels), train.mean())),
        "median_rae": relative_absolute_error(labels, np.full(len(labels), np.median(train))),
    }


def _spearman(labels: FloatArray, predictions: FloatArray) -> float:
    if labels.min() == labels.max() or predictions.min() == predictions.max():
        return _NAN
    from scipy.stats import spearmanr

    return float(spearmanr(labels, predictions).statistic)


def _no_ranking(labels: FloatArray, probabilities: FloatArray) -> str:
    if not len(labels):
        return NO_LABELS
    if not labels.any():
        return NO_POSITIVES
    if labels.all():
        return NO_NEGATIVES
    return "" if np.isfinite(probabilities).all() else NOT_FINITE
