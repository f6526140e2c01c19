"""Means over a window of autocorrelated steps, with intervals from blocks of steps.

Steps are cut into blocks of neighbours, and the spread of a mean is that of its values with one block
left out (delete-one-block jackknife, Kuensch 1989), with Student's t at one degree of freedom less than
there are blocks. There are at most `BLOCKS[0]` blocks, which costs 6 % of width and makes them as long as
the window allows; the autocorrelation of the residuals asks for fewer and longer ones, down to
`BLOCKS[-1]`.

Where the quantity itself drifts, an interval holds the mean over the window's own steps more often than
stated. It also holds what a longer run would settle at where the window is some forty times the drift's
memory; a slow drift under much noise goes unnoticed in shorter ones (benchmarks/coverage.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.quantity import Quantity

IntArray = npt.NDArray[np.int64]

LEVEL = 0.95
BLOCKS = (24, 16, 12, 8)
FEWEST_BLOCKS = 5
# The part of a mean's variance that blocks may miss by cutting correlated neighbours apart.
_MISSED = 0.1
NO_STEP = "no step of the window has it"
FEW_BLOCKS = f"an interval takes at least {FEWEST_BLOCKS} blocks of steps"
UNBOUNDED = "the denominator is not distinguishable from zero, so no value is excluded"


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate(Quantity):
    """Estimates [...] with 95 % intervals `low` to `high`; `reasons` where either is undefined.

    An interval may be infinite; it is NaN where there are too few blocks. `standard_error` is that of
    the estimate, `blocks` counts the blocks of steps behind it. `short` marks windows in which steps are
    correlated over so long that even the longest blocks cut it: there, intervals are too narrow.
    """

    low: FloatArray
    high: FloatArray
    standard_error: FloatArray
    blocks: IntArray
    short: BoolArray

    def at(self, *index: int) -> Estimate:
        """The estimate of one entry, with shape ()."""
        reason = self.reasons.get(index, "")
        return Estimate(
            np.asarray(self.values[index]),
            {(): reason} if reason else {},
            low=np.asarray(self.low[index]),
            high=np.asarray(self.high[index]),
            standard_error=np.asarray(self.standard_error[index]),
            blocks=np.asarray(self.blocks[index]),
            short=np.asarray(self.short[index]),
        )

    @property
    def excludes_zero(self) -> BoolArray:
        """Where the interval lies on one side of zero [...]."""
        return (self.low > 0.0) | (self.high < 0.0)

    @property
    def p_values(self) -> FloatArray:
        """Two-sided p values [...] of the true value being zero, by Student's t; NaN where undefined."""
        return two_sided(self.values, self.standard_error, np.maximum(self.blocks - 1, 1))


@dataclass(frozen=True, eq=False)
class Means:
    """Means [..., p] over a window with the covariance [..., p, p] of their errors.

    `blocks` [...] and `short` [...] are as for `Estimate`. NaN where there was nothing to average, or too
    few blocks for a covariance.
    """

    values: FloatArray
    covariance: FloatArray
    blocks: IntArray
    short: BoolArray

    def transformed(self, matrix: FloatArray) -> Means:
        """Linear combinations [..., q] by a matrix [..., q, p]; for others, its derivative serves."""
        values = np.einsum("...qp,...p->...q", matrix, self.values)
        covariance = matrix @ self.covariance @ np.swapaxes(matrix, -1, -2)
        return Means(values, covariance, self.blocks, self.short)

    def estimate(self, part: int = 0) -> Estimate:
        """Estimates [...] of the part numbered so."""
        error = np.sqrt(np.maximum(self.covariance[..., part, part], 0.0))
        half = quantile(self.blocks) * error
        values = np.asarray(self.values[..., part])
        return Estimate(
            values,
            _reasons((np.isnan(values), NO_STEP), (np.isnan(half), FEW_BLOCKS)),
            low=values - half,
            high=values + half,
            standard_error=error,
            blocks=self.blocks,
            short=self.short,
        )


def window_means(sums: FloatArray, counts: FloatArray) -> Means:
    """Means [..., p] of p parts, `sums` over `counts` [t, ..., p], over t steps: ratios of sums.

    A step where a part is missing counts 0 and sums to 0. Blocks are long enough for the autocorrelation
    of part 0.
    """
    total, number = sums.sum(axis=0), counts.sum(axis=0)
    values = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    rho = _autocorrelations((sums - np.nan_to_num(values) * counts)[..., 0])
    wanted = _wanted_length(rho)
    # Nearly equal blocks, few or many: all are worked out, and each entry takes those it wants.
    shape = values.shape
    covariance = np.full((*shape, shape[-1]), np.nan)
    blocks = np.zeros(shape[:-1], dtype=np.int64)
    steps = len(sums)
    choices = sorted({min(most, steps) for most in BLOCKS})
    for choice in choices:
        fits = (wanted <= steps / choice) | (choice == choices[0])
        own, used = _jackknife(sums, counts, values, choice)
        covariance = np.where(fits[..., None, None], own, covariance)
        blocks = np.where(fits, used, blocks)
    enough = blocks >= FEWEST_BLOCKS
    covariance = np.where(enough[..., None, None], covariance, np.nan)
    # In a short window, noise alone asks for long blocks; that is no reason to warn.
    noticed = (wanted > steps / choices[0]) & (rho[1] > 2.0 / np.sqrt(steps))
    return Means(values, covariance, blocks, noticed)


def mean_over_steps(sums: FloatArray, counts: FloatArray) -> Estimate:
    """Estimates [...] of the mean of `sums` over `counts` [t, ...] over t steps.

    >>> estimate = mean_over_steps(np.arange(10.0), np.ones(10))
    >>> float(estimate), int(estimate.blocks)
    (4.5, 8)
    """
    return window_means(np.asarray(sums)[..., None], np.asarray(counts)[..., None]).estimate()


def ratio(means: Means) -> Estimate:
    """Estimates [...] of part 0 over part 1 of `means` [..., 2], which is positive.

    The interval is Fieller's (1954): all ratios c for which part 0 - c part 1 is not distinguishable from
    zero. Unlike that of the ratio's own spread it stays right where the denominator is uncertain, and is
    infinite where the denominator may be zero.
    """
    denominator = means.values[..., 1]
    # Gradients that are all zero give 0 / 0: undefined, and said to be so below.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = means.values[..., 0] / denominator
        relative = means.covariance / denominator[..., None, None] ** 2
    square = quantile(means.blocks) ** 2
    a = 1.0 - square * relative[..., 1, 1]
    b = values - square * relative[..., 0, 1]
    c = values**2 - square * relative[..., 0, 0]
    bounded = a > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        low = np.where(bounded, (b - half) / a, -np.inf)
        high = np.where(bounded, (b + half) / a, np.inf)
    few = np.isnan(a)
    slope = np.stack([np.ones_like(values), -values], axis=-1)
    variance = np.einsum("...p,...pq,...q->...", slope, relative, slope)
    return Estimate(
        values,
        _reasons((np.isnan(values), NO_STEP), (few, FEW_BLOCKS), (~bounded, UNBOUNDED)),
        low=np.where(few, np.nan, low),
        high=np.where(few, np.nan, high),
        standard_error=np.sqrt(np.maximum(variance, 0.0)),
        blocks=means.blocks,
        short=means.short,
    )


def discoveries(p_values: FloatArray, rate: float = 0.05) -> BoolArray:
    """Which of p values [k] are below the line of Benjamini & Hochberg (1995); undefined ones never are.

    Among those found, at most `rate` are expected to be zero in truth, for independent or positively
    dependent tests.
    """
    from scipy.stats import false_discovery_control  # as above

    known = ~np.isnan(p_values)
    below = np.zeros(p_values.shape, dtype=np.bool_)
    if known.any():
        below[known] = false_discovery_control(p_values[known]) <= rate
    return below


def quantile(blocks: IntArray) -> FloatArray:
    """Quantiles [...] of Student's t that bound a two-sided interval from so many blocks; NaN for < 2."""
    return student(np.where(blocks > 1, blocks - 1, np.nan))


def student(freedom: FloatArray, level: float = LEVEL) -> FloatArray:
    """Quantiles [...] of Student's t that bound a two-sided interval; NaN for NaN degrees of freedom."""
    from scipy.special import stdtrit  # slow to import, and most users of this package never get here

    return np.asarray(stdtrit(freedom, 0.5 + level / 2))


def two_sided(values: FloatArray, errors: FloatArray, freedom: FloatArray | IntArray) -> FloatArray:
    """P values [...] of the true values being zero, by Student's t; NaN where there is no error."""
    from scipy.special import stdtr  # as above

    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(values) / errors
    return np.asarray(2.0 * stdtr(freedom, -t))


def _jackknife(
    sums: FloatArray, counts: FloatArray, means: FloatArray, blocks: int
) -> tuple[FloatArray, IntArray]:
    """Covariance [..., p, p] by leaving out one block at a time, and the blocks [...] that hold data."""
    edges = np.linspace(0, len(sums), blocks + 1).astype(int)[:-1]
    block_sums, block_counts = np.add.reduceat(sums, edges), np.add.reduceat(counts, edges)
    left = counts.sum(axis=0) - block_counts
    others = sums.sum(axis=0) - block_sums
    deviations = np.divide(others, left, out=np.full(left.shape, np.nan), where=left > 0) - means
    used = (block_counts[..., 0] > 0).sum(axis=0)
    spread = np.einsum("b...p,b...q->...pq", deviations, deviations)
    factor = np.where(used > 0, (used - 1) / np.maximum(used, 1), np.nan)
    return factor[..., None, None] * spread, used


def _autocorrelations(residuals: FloatArray) -> FloatArray:
    """Autocorrelations [q, ...] of residuals [t, ...] at lags up to about a quarter of the window; q even."""
    steps = len(residuals)
    spectrum = np.abs(np.fft.rfft(residuals, 2 * steps, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, 2 * steps, axis=0)[: 2 * (steps // 8 + 1)]
    return np.asarray(
        np.divide(covariance, covariance[0], out=np.zeros_like(covariance), where=covariance[0] > 0)
    )


def _wanted_length(rho: FloatArray) -> FloatArray:
    """Steps [...] that a block needs, by autocorrelations rho [q, ...]: the bias of blocks over `_MISSED`.

    Blocks of length L miss `2 sum k rho_k / L` of a variance of `1 + 2 sum rho_k`. Autocorrelations count
    up to the first pair of lags whose sum is not positive (Geyer 1992); beyond, they are noise.
    """
    pairs = rho[0::2] + rho[1::2]
    kept = np.repeat(np.logical_and.accumulate(pairs > 0.0, axis=0), 2, axis=0) * rho
    lags = np.arange(len(kept)).reshape(-1, *[1] * (kept.ndim - 1))
    time = np.maximum(2.0 * kept.sum(axis=0) - 1.0, 1.0)
    return np.asarray(np.maximum(2.0 * (lags * kept).sum(axis=0), 0.0) / time / _MISSED)


def _reasons(*cases: tuple[BoolArray, str]) -> dict[tuple[int, ...], str]:
    """The reason of each entry that is undefined: that of the first case that holds."""
    reasons: dict[tuple[int, ...], str] = {}
    for undefined, reason in cases:
        for index in np.argwhere(undefined):
            reasons.setdefault(tuple(int(i) for i in index), reason)
    return reasons
