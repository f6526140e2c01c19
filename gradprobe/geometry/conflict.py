"""How much a set of task gradients pulls against itself: overlap, conflict energy, negative cosines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry.cosines import ZERO_GRADIENT, cosines, focal_cosines
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.quantity import Quantity

ONE_TASK = "one task has no pair"


@dataclass(frozen=True)
class Conflicts:
    """Negative focal-auxiliary cosines: what gating, RCGrad and PCGrad act on.

    `fraction` is the share of defined cosines below zero; `mass` is the mean of `max(0, -cos)` over
    the defined ones; `pairs` counts the defined ones. NaN, with the reason, where there are none.
    """

    fraction: float
    mass: float
    pairs: int
    reason: str = ""


def gradient_overlap(gramian: FloatArray) -> Quantity:
    """Mean |cos| over all pairs of tasks, the focal one included, of a Gramian [m, m] (Fooladi 2026, §7).

    Undefined pairs are skipped, not counted as zero.
    """
    return _mean_over_pairs(np.abs(_pairs(gramian)))


def overlap_by_chance(parameters: int) -> float:
    """Mean |cos| of two random directions in `parameters` dimensions: sqrt(2 / (pi n)).

    The exact mean is Gamma(n/2) / (sqrt(pi) Gamma((n+1)/2)), of which that is the limit; the exact
    one is returned, since a trunk can be small. NaN for no parameters.

    >>> round(overlap_by_chance(2), 6) == round(2 / math.pi, 6)
    True
    """
    if parameters < 1:
        return float("nan")
    return math.exp(math.lgamma(parameters / 2) - math.lgamma((parameters + 1) / 2)) / math.sqrt(math.pi)


def conflict_energy(gramian: FloatArray) -> tuple[Quantity, Quantity]:
    """Sum over pairs i < j of max(0, -cos) of a Gramian [m, m], and its mean per pair (GraGR, eq. 27).

    The sum grows with the number of tasks (at most floor(m^2 / 4)); the mean does not. Pairs with a
    zero gradient are skipped: the paper lets them count as 0 in the sum, which is the same.
    """
    pairs = np.maximum(0.0, -_pairs(gramian))
    if pairs.size == 0:
        undefined = Quantity(np.array(np.nan), {(): ONE_TASK})
        return undefined, undefined
    return Quantity(np.array(np.nansum(pairs))), _mean_over_pairs(pairs)


def conflicts(gramian: FloatArray, focal: int) -> Conflicts:
    """Fraction and mass of the negative focal-auxiliary cosines of a Gramian [m, m]."""
    values = focal_cosines(gramian, focal).values
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        reason = ZERO_GRADIENT if values.size else ONE_TASK
        return Conflicts(float("nan"), float("nan"), 0, reason)
    return Conflicts(
        fraction=float(np.mean(defined < 0.0)),
        mass=float(np.mean(np.maximum(0.0, -defined))),
        pairs=int(defined.size),
    )


def _pairs(gramian: FloatArray) -> FloatArray:
    """Cosines of the pairs i < j of a Gramian [m, m]."""
    upper = np.triu_indices(gramian.shape[-1], k=1)
    return np.asarray(cosines(gramian).values[upper])


def _mean_over_pairs(pairs: FloatArray) -> Quantity:
    defined = pairs[~np.isnan(pairs)]
    if defined.size == 0:
        return Quantity(np.array(np.nan), {(): ZERO_GRADIENT if pairs.size else ONE_TASK})
    return Quantity(np.array(defined.mean()))
