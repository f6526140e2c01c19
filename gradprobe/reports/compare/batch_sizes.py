"""What raw cosines batches of other sizes would show, by the noise model of one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray, FoldProducts, corrected_cosines, predicted_cosines

_FACTORS: FloatArray = np.exp2(np.arange(-3.0, 9.0))  # of the measured batch


@dataclass(frozen=True, eq=False)
class BatchSizes:
    """Raw cosines of the focal task with each auxiliary predicted at `factors` [k] times the batch.

    `predicted` [k, t-1] with its interval `low` to `high`; `whole` [t-1] and `half` [t-1] are the measured
    ones, of whole batches and of their folds, and `corrected` [t-1] what ever larger batches approach. `rows`
    is the focal task's batch. The noise model is fitted to the two measured sizes, so it meets them by
    construction; every other size is extrapolated.
    """

    rows: float
    factors: FloatArray
    predicted: FloatArray
    low: FloatArray
    high: FloatArray
    half: FloatArray
    whole: FloatArray
    corrected: FloatArray


def batch_sizes_of(folds: FoldProducts, tasks: Sequence[str], *, focal: str) -> BatchSizes:
    """The predictions of a window; `tasks` names the focal task first."""
    order = [folds.tasks.index(task) if task in folds.tasks else -1 for task in tasks[1:]]
    own = folds.tasks.index(focal)
    # Auxiliaries of the window stand without the focal task.
    columns = [place - (place > own) for place in order]
    found = [predicted_cosines(folds, focal=focal, rows=folds.batch_rows * factor) for factor in _FACTORS]
    cosines = corrected_cosines(folds, focal=focal)
    return BatchSizes(
        rows=float(folds.batch_rows[own]),
        factors=_FACTORS,
        predicted=np.stack([_taken(each.values, columns) for each in found]),
        low=np.stack([_taken(each.low, columns) for each in found]),
        high=np.stack([_taken(each.high, columns) for each in found]),
        half=_taken(half_batch_cosines(folds, focal=focal), columns),
        whole=_taken(cosines.raw.values, columns),
        corrected=_taken(cosines.cosines.values, columns),
    )


def half_batch_cosines(folds: FoldProducts, *, focal: str) -> FloatArray:
    """Raw cosines [m-1] of the focal task with each auxiliary within folds, as ratios of sums over steps."""
    own = folds.tasks.index(focal)
    others = np.delete(np.arange(len(folds.tasks)), own)
    there = folds.rows > 0
    together = there[:, :, [own]] & there[:, :, others]
    within = np.stack([folds.values[:, fold, fold] for fold in range(2)], axis=1)
    products = (within[:, :, own, :][:, :, others] * together).sum(axis=(0, 1))
    focal_squares = (within[:, :, own, own][:, :, None] * together).sum(axis=(0, 1))
    squares = (np.diagonal(within, axis1=2, axis2=3)[:, :, others] * together).sum(axis=(0, 1))
    lengths = np.sqrt(focal_squares * squares)
    return np.asarray(np.divide(products, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0.0))


def _taken(values: FloatArray, columns: Sequence[int]) -> FloatArray:
    """Values of the auxiliaries in the report's order; NaN for those that the window does not have."""
    return np.array([values[column] if column >= 0 else np.nan for column in columns])
