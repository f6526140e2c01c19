"""Cosines, norms and norm ratios read off Gramians [..., m, m]; leading axes (layers, steps) broadcast."""

from __future__ import annotations

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import NOT_REACHED, BoolArray, FloatArray
from gradprobe.geometry.quantity import Quantity

ZERO_GRADIENT = "a zero gradient has no direction"


def norms(gramian: FloatArray) -> FloatArray:
    """Norms [..., m] of the gradients behind Gramians [..., m, m]; NaN on layers that no loss reaches."""
    return np.sqrt(np.maximum(np.diagonal(gramian, axis1=-2, axis2=-1), 0.0))


def cosines(gramian: FloatArray) -> Quantity:
    """Pairwise cosines [..., m, m] of the gradients behind Gramians [..., m, m].

    NaN wherever either gradient is exactly zero, on the diagonal too, and on layers that no loss reaches.
    Rounding is clipped to [-1, 1].

    >>> cosines(np.array([[4.0, -1.0], [-1.0, 1.0]])).values
    array([[ 1. , -0.5],
           [-0.5,  1. ]])
    >>> cosines(np.array([[4.0, 0.0], [0.0, 0.0]])).reason
    'a zero gradient has no direction'
    """
    length = norms(gramian)
    # Dividing by one norm after the other keeps tiny gradients from underflowing in the product.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = gramian / length[..., :, None] / length[..., None, :]
    zero = length == 0.0
    return _defined(np.clip(values, -1.0, 1.0), zero[..., :, None] | zero[..., None, :], ZERO_GRADIENT)


def focal_cosines(gramian: FloatArray, focal: int) -> Quantity:
    """Cosines [..., m-1] of the focal gradient with each auxiliary's, in task order (Fooladi 2026, §3).

    "Focal-centred" means against the focal gradient; nothing is subtracted.

    Raises:
        InputError: `focal` is no row of the Gramian.
    """
    _check_row(gramian, focal)
    length = norms(gramian)
    others = np.delete(np.arange(gramian.shape[-1]), focal)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = gramian[..., focal, others] / length[..., focal, None] / length[..., others]
    zero = (length[..., focal, None] == 0.0) | (length[..., others] == 0.0)
    return _defined(np.clip(values, -1.0, 1.0), zero, ZERO_GRADIENT)


def norm_ratios(gramian: FloatArray, focal: int) -> Quantity:
    """Ratios [..., m-1] of the focal norm to each auxiliary's; NaN for a zero auxiliary.

    Raises:
        InputError: `focal` is no row of the Gramian.
    """
    _check_row(gramian, focal)
    length = norms(gramian)
    others = np.delete(np.arange(gramian.shape[-1]), focal)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = length[..., focal, None] / length[..., others]
    return _defined(values, length[..., others] == 0.0, "the auxiliary gradient is zero")


def update_cosine(gramian: FloatArray, weights: FloatArray, reference: FloatArray) -> float:
    """Cosine of the updates `weights @ J` and `reference @ J`, from the Gramian [m, m] of J [m, n].

    NaN where either update is exactly zero. Its distance from 1 is a combiner's leverage.
    """
    scale = float(np.trace(gramian))
    if scale == 0.0:
        return float("nan")
    scaled = gramian / scale
    own = float(weights @ scaled @ weights)
    other = float(reference @ scaled @ reference)
    if own <= 0.0 or other <= 0.0:
        return float("nan")
    return float(np.clip(weights @ scaled @ reference / np.sqrt(own) / np.sqrt(other), -1.0, 1.0))


def _check_row(gramian: FloatArray, focal: int) -> None:
    size = gramian.shape[-1]
    if not 0 <= focal < size:
        raise InputError(f"focal: expected a row between 0 and {size - 1}, got {focal}")


def _defined(values: FloatArray, zero: BoolArray, reason: str) -> Quantity:
    """The values, NaN for `reason` where `zero`; those that are NaN already are of layers out of reach."""
    reasons = {tuple(int(i) for i in index): NOT_REACHED for index in np.argwhere(np.isnan(values) & ~zero)}
    reasons |= {tuple(int(i) for i in index): reason for index in np.argwhere(zero)}
    return Quantity(np.where(zero, np.nan, values), reasons)
