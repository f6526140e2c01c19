"""How much of a minibatch gradient is signal, and what another batch size would show.

With `S_ij` the products across folds and `N_i` the trace of the per-row gradient covariance, the gradient
of b rows has `E|g_i|^2 = S_ii + N_i / b`. Tasks that share molecules have correlated noise besides:
`E<g_i, g_j> = S_ij + C_ij / sqrt(b_i b_j)`. How both come from folds of unequal sizes stands at
`FoldProducts.row_noise`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.corrected import NO_SIGNAL, cosine_of_means
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.intervals import Estimate, IntArray, ratio, window_means
from gradprobe.geometry.population import rounds_of, widened
from gradprobe.geometry.window import FoldProducts

HEAVY_TAILS = "a few rows carry most of the noise, so that it is bounded on one side only"
# Below an index of 2 the spread of squared lengths does not exist; estimates of it scatter.
HEAVY = 3.0
# The least number of largest values that the index rests on, and one in how many otherwise.
_TOP = (5, 20)


@dataclass(frozen=True, eq=False)
class Signal:
    """Signal and noise of m task gradients over a window of steps.

    `squares` estimates S_ii, the squared norm without noise, and `noise` N_i, the noise of one row.
    `share` is `S / (S + N/b)` at `rows` [m] b, the harmonic mean of the window's batches: unbiased in
    both parts, so it can fall below zero where there is no signal to speak of. `scale` is the gradient
    noise scale N / S (McCandlish et al. 2018), in rows: undefined where S is not positive, infinite at
    its upper end where the share's interval reaches zero.

    `heavy` [m] marks tasks a few of whose rows carry most of the noise: the index of Hill (1975) of the
    largest twentieth of their folds' squared lengths is below `HEAVY`. The spread of the noise may then not
    exist, and the rarest rows be yet to come, so the noise is only bounded from below and the share from
    above.
    """

    tasks: tuple[str, ...]
    rows: FloatArray
    squares: Estimate
    noise: Estimate
    share: Estimate
    scale: Estimate
    heavy: BoolArray

    def share_at(self, rows: float) -> FloatArray:
        """Signal shares [m] expected of batches of so many rows; NaN where there is no signal."""
        return 1.0 / (1.0 + self.scale.values / rows)

    def batch_for(self, share: float = 0.5) -> FloatArray:
        """Rows [m] at which this share of the squared gradient is signal; at the noise scale it is half.

        Larger batches than a few noise scales buy little; much smaller ones step mostly along noise.

        Raises:
            InputError: a share outside (0, 1).
        """
        if not 0.0 < share < 1.0:
            raise InputError(f"share: expected a number between 0 and 1, got {share}")
        return self.scale.values * share / (1.0 - share)


def signal(folds: FoldProducts, *, distinct: Mapping[str, int] | None = None) -> Signal:
    """Signal, noise and noise scale of every task over t steps at which it has both folds.

    A task that never has is undefined throughout. With `distinct`, how many different molecules of each
    task there are, intervals speak of new ones.
    """
    each = np.arange(len(folds.tasks))
    rounds = None if distinct is None else rounds_of(folds.tasks, folds.rows.sum(axis=1), distinct)
    sums, counts = _parts(folds, each, each)
    means, _ = widened(window_means(sums, counts), sums, counts, rounds=rounds)
    rows = folds.batch_rows
    at_rows = np.zeros((each.size, 2, 2))
    at_rows[:, :, 0] = 1.0
    at_rows[:, 1, 1] = 1.0 / rows
    share = ratio(means.transformed(at_rows))
    heavy = _heavy(folds)
    noise = means.estimate(1)
    noise = _bounded(noise, heavy, noise.low, np.full(heavy.shape, np.inf))
    share = _bounded(share, heavy, np.minimum(share.low, 0.0), share.high)
    return Signal(folds.tasks, rows, means.estimate(0), noise, share, _scale(share, rows), heavy)


def predicted_cosines(folds: FoldProducts, *, focal: str, rows: float | FloatArray | None = None) -> Estimate:
    """Raw cosines [m-1] of the focal task with each auxiliary predicted for batches of other sizes.

    `(S_ij + C_ij / sqrt(b_i b_j)) / sqrt((S_ii + N_i / b_i)(S_jj + N_j / b_j))`, for `rows` b of every
    task or of each [m]; by default those of the window, where it should meet what was measured. Shared
    molecules are taken to be as large a part of other batches as of these. As a ratio of window means it
    predicts `CorrectedCosines.raw`, and not quite the mean of per-step cosines.

    Raises:
        InputError: `focal` is no task, or `rows` are not positive, one number or one a task.
    """
    if focal not in folds.tasks:
        raise InputError(f"focal: expected one of {list(folds.tasks)}, got {focal!r}")
    size = len(folds.tasks)
    batch = folds.batch_rows if rows is None else np.asarray(rows, dtype=np.float64)
    if batch.shape not in ((), (size,)) or (batch <= 0.0).any():
        raise InputError(f"rows: expected one positive number, or {size}, one a task; got {rows!r}")
    batch = np.broadcast_to(batch, (size,))
    row = folds.tasks.index(focal)
    others = np.delete(np.arange(size), row)
    own = np.full(others.shape, row)
    index = [(own, others), (own, own), (others, others)]
    both = folds.rows.sum(axis=1) > 0
    together = (both[:, own] & both[:, others]).astype(np.float64)[..., None]
    # Six parts, signal and noise in turn of the product and of both squares, then their three sums.
    parts = [_parts(folds, i, j) for i, j in index]
    means = window_means(
        np.concatenate([sums for sums, _ in parts], axis=-1) * together,
        np.concatenate([counts for _, counts in parts], axis=-1) * together,
    )
    matrix = np.zeros((others.size, 3, 6))
    for k, (i, j) in enumerate(index):
        matrix[:, k, 2 * k] = 1.0
        matrix[:, k, 2 * k + 1] = 1.0 / np.sqrt(batch[i] * batch[j])
    return cosine_of_means(means.transformed(matrix))


def _parts(folds: FoldProducts, first: IntArray, second: IntArray) -> tuple[FloatArray, FloatArray]:
    """Sums and counts [t, k, 2] of the products across folds and of the noise per row."""
    (products, product_counts), (noise, noise_counts) = folds.across, folds.row_noise
    sums = np.stack([products[:, first, second], noise[:, first, second]], axis=-1)
    return sums, np.stack([product_counts[:, first, second], noise_counts[:, first, second]], axis=-1)


def _heavy(folds: FoldProducts) -> BoolArray:
    """Whether each task's noise [m] comes from a few rows, by the largest squared lengths of its folds."""
    squares = folds.rows * np.diagonal(folds.values[:, range(2), range(2)], axis1=-2, axis2=-1)
    heavy = []
    for own in squares.reshape(-1, len(folds.tasks)).T:
        ranked = np.sort(own[own > 0.0])
        top = max(_TOP[0], ranked.size // _TOP[1])
        enough = ranked.size > 2 * top
        excess = float(np.mean(np.log(ranked[-top:] / ranked[-top - 1]))) if enough else 0.0
        heavy.append(excess * HEAVY > 1.0)
    return np.array(heavy, dtype=np.bool_)


def _bounded(estimate: Estimate, where: BoolArray, low: FloatArray, high: FloatArray) -> Estimate:
    """An estimate [m] with these ends [m] where tails are heavy, unless it has no interval at all."""
    moved = where & ~np.isnan(estimate.low)
    told = {(int(place),): HEAVY_TAILS for place in np.flatnonzero(moved)}
    return replace(
        estimate,
        low=np.where(moved, low, estimate.low),
        high=np.where(moved, high, estimate.high),
        reasons=told | dict(estimate.reasons),
    )


def _scale(share: Estimate, rows: FloatArray) -> Estimate:
    """N / S = b (1 / share - 1), a falling function of the share, so its interval is the share's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        positive = share.values > 0.0
        values = np.where(positive, rows * (1.0 / share.values - 1.0), np.nan)
        low = np.where(positive, np.maximum(rows * (1.0 / share.high - 1.0), 0.0), np.nan)
        high = np.where(positive & (share.low <= 0.0), np.inf, rows * (1.0 / share.low - 1.0))
        error = rows * share.standard_error / share.values**2
    reasons = dict(share.reasons)
    for (index,) in np.argwhere(share.values <= 0.0):
        reasons[int(index),] = NO_SIGNAL
    return Estimate(
        values,
        reasons,
        low=low,
        high=np.where(positive, high, np.nan),
        standard_error=np.where(positive, error, np.nan),
        blocks=share.blocks,
        short=share.short,
    )
