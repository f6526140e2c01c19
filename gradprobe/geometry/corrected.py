"""Cosines without the noise of minibatches: products across folds, over a window of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import (
    NO_STEP,
    Estimate,
    IntArray,
    Means,
    discoveries,
    ratio,
    window_means,
)
from gradprobe.geometry.population import Estimand, Influences, rounds_of, widened
from gradprobe.geometry.window import FoldProducts

NO_SIGNAL = "no signal: a squared norm across folds is not positive"
# A cosine is trusted where both squared norms are this many standard errors above zero.
TRUSTED = 3.0


@dataclass(frozen=True, eq=False)
class CorrectedCosines:
    """Noise-corrected cosines of k pairs of tasks over a window of steps, the raw ones beside them.

    `products` are the unbiased inner products `<g_i, g_j>` per step, `cosines` their ratio of sums to
    both norms', which weighs steps by gradient norm, and `raw` the same ratio for whole minibatches, noise
    included. Only `steps` [k] at which both tasks are present count. `cosines` are undefined where a
    squared norm is not positive, and `trusted` [k] where both are at least `TRUSTED` standard errors
    above zero; estimates are not clipped, and can lie beyond 1.

    All of it holds for the molecules that the steps drew from. Where molecules come back, more steps narrow
    an interval around the value of these molecules, and say nothing about molecules that were not drawn.

    `p_values` [k] test whether the product, so the cosine, is zero: they need no norm, so they hold where
    the cosine is undefined. `nonzero` [k] are the pairs distinguishable from zero at the false discovery
    rate over these k pairs. `estimand` names whom intervals and p values speak of.
    """

    pairs: tuple[tuple[str, str], ...]
    products: Estimate
    cosines: Estimate
    raw: Estimate
    trusted: BoolArray
    p_values: FloatArray
    nonzero: BoolArray
    steps: IntArray
    estimand: Estimand = Estimand.THESE


def corrected_cosines(
    folds: FoldProducts,
    *,
    focal: str | None = None,
    false_discovery_rate: float = 0.05,
    distinct: Mapping[str, int] | None = None,
    influences: Influences | None = None,
) -> CorrectedCosines:
    """Corrected cosines of every pair of tasks, or of the focal task with each auxiliary, over t steps.

    Intervals speak of the molecules that the steps drew from, and of new ones with either of `distinct`, how
    many different molecules (or clusters) of each task there are, and `influences` of rows on the sums of a
    step's products across folds, changes [n, k, 3] of each pair's product and two squared norms.

    Raises:
        InputError: fewer than two tasks, `focal` is not among them, or `distinct` lacks one.
    """
    first, second = _pairs(folds.tasks, focal)
    present = folds.whole.present
    together = (present[:, first] & present[:, second]).astype(np.float64)
    sums, counts = _parts(*folds.across, first, second, together)
    rounds = None if distinct is None else rounds_of(folds.tasks, folds.rows.sum(axis=1), distinct)
    pairwise = None if rounds is None else np.maximum(rounds[first], rounds[second])
    means, estimand = widened(
        window_means(sums, counts), sums, counts, rounds=pairwise, influences=influences
    )
    whole = np.broadcast_to(1.0, folds.whole.values.shape)
    raw = window_means(*_parts(folds.whole.values, whole, first, second, together))
    products = means.estimate()
    p_values = products.p_values
    return CorrectedCosines(
        pairs=tuple((folds.tasks[i], folds.tasks[j]) for i, j in zip(first, second, strict=True)),
        products=products,
        cosines=cosine_of_means(means),
        raw=cosine_of_means(raw),
        trusted=_trusted(means),
        p_values=p_values,
        nonzero=discoveries(p_values, false_discovery_rate),
        steps=together.sum(axis=0).astype(np.int64),
        estimand=estimand,
    )


def cosine_of_means(means: Means) -> Estimate:
    """Estimates [...] of `N / sqrt(D_1 D_2)` from means [..., 3] of N, D_1 and D_2.

    The interval is Fieller's, with the root expanded to first order in D_1 and D_2.
    """
    squares = means.values[..., 1:]
    lost = np.asarray((squares <= 0.0).any(axis=-1))
    with np.errstate(invalid="ignore"):
        roots = np.sqrt(np.where(squares > 0.0, squares, np.nan))
    matrix = np.zeros((*squares.shape[:-1], 2, 3))
    matrix[..., 0, 0] = 1.0
    # N over one root after the other: the root of a product of tiny squares would underflow.
    matrix[..., 1, 1] = 0.5 * roots[..., 1] / roots[..., 0]
    matrix[..., 1, 2] = 0.5 * roots[..., 0] / roots[..., 1]
    safe = np.where(lost[..., None, None], np.nan, matrix)
    estimate = ratio(means.transformed(safe))
    reasons = {
        index: NO_SIGNAL if lost[index] and reason == NO_STEP else reason
        for index, reason in estimate.reasons.items()
    }
    return Estimate(
        estimate.values,
        reasons,
        low=estimate.low,
        high=estimate.high,
        standard_error=estimate.standard_error,
        blocks=estimate.blocks,
        short=estimate.short,
    )


def _pairs(tasks: tuple[str, ...], focal: str | None) -> tuple[IntArray, IntArray]:
    if len(tasks) < 2:
        raise InputError(f"folds: expected at least two tasks, got {list(tasks)}; a cosine needs two")
    if focal is None:
        first, second = np.triu_indices(len(tasks), k=1)
        return first, second
    if focal not in tasks:
        raise InputError(f"focal: expected one of {list(tasks)}, got {focal!r}")
    row = tasks.index(focal)
    others = np.delete(np.arange(len(tasks)), row)
    return np.full(others.shape, row), others


def _trusted(means: Means) -> BoolArray:
    """Whether both squared norms of means [k, 3] are far enough above zero [k]."""
    squares = means.values[:, 1:]
    errors = np.sqrt(np.diagonal(means.covariance, axis1=-2, axis2=-1)[:, 1:])
    return np.asarray(((squares > 0.0) & (squares >= TRUSTED * errors)).all(axis=1))


def _parts(
    sums: FloatArray, counts: FloatArray, first: IntArray, second: IntArray, together: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums and counts [t, k, 3] of N, D_1 and D_2 at the steps at which both tasks are present."""
    index = [(first, second), (first, first), (second, second)]
    parts = [np.stack([values[:, i, j] * together for i, j in index], axis=-1) for values in (sums, counts)]
    return parts[0], parts[1]
