"""Intervals for new molecules, where a run repeats the same ones over many epochs.

Products across folds are unbiased for the molecules that the steps draw from. After 25 passes over 163
molecules the interval over steps is tight for these 163, and says nothing of others: each step repeats what
earlier ones showed. Two remedies widen it to new molecules drawn like these:

- `capped`: no more information than one pass holds. It takes only the number of distinct molecules (of
  clusters, where duplicates or series vary together). Right where noise of single molecules times signal
  dominates; too wide where noise times noise does, since pairs keep being new after one pass.
- `over_molecules`: the variance over steps plus the covariance between steps that share a molecule, from how
  much each molecule moved each step. It takes per-row products, and a name for each molecule or cluster.

The second is the variance of a mean over overlapping groups (Cameron, Gelbach & Miller 2011, eq. 2.4, with
molecules as the clusters). Both start from the spread over single steps where that over blocks is smaller:
steps of one pass share no molecule, so they make up for each other and blocks of them vary too little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.intervals import IntArray, Means


class Estimand(StrEnum):
    """Whom an interval speaks of."""

    THESE = "the molecules that the steps drew from"
    NEW = "new molecules like them"


@dataclass(frozen=True, eq=False)
class Influences:
    """How much leaving one row out of its step would change that step's values.

    Row r was in step `step_of[r]`, of a window's steps from 0, with molecule (or cluster) `molecule[r]`, a
    number; without it the step's values [...] would be larger by `changes[r]` [...].
    """

    step_of: IntArray
    molecule: IntArray
    changes: FloatArray

    def __post_init__(self) -> None:
        size = len(self.changes)
        if len(self.step_of) != size or len(self.molecule) != size:
            raise InputError(
                f"step_of, molecule: expected one entry for each of {size} rows, "
                f"got {len(self.step_of)} and {len(self.molecule)}"
            )


def passes(rows: FloatArray, distinct: FloatArray) -> FloatArray:
    """How many times t steps with `rows` [t, ...] go round the `distinct` [...] molecules; at least once.

    Raises:
        InputError: more rows in one step than there are distinct molecules, or none.
    """
    number = np.asarray(distinct, dtype=np.float64)
    if (number < 1).any():
        raise InputError(f"distinct: expected at least one molecule a task, got {distinct!r}")
    return np.asarray(np.maximum(np.asarray(rows, dtype=np.float64).sum(axis=0) / number, 1.0))


def capped(means: Means, sums: FloatArray, counts: FloatArray, rounds: FloatArray) -> Means:
    """Means [..., p] with the errors of one pass, where the steps behind them made `rounds` [...]."""
    return replace(means, covariance=_over_steps(means, sums, counts) * rounds[..., None, None])


def over_molecules(means: Means, sums: FloatArray, counts: FloatArray, influences: Influences) -> Means:
    """Means [..., p] of `sums` over `counts` [t, ..., p] with the errors they have for new molecules.

    `influences.changes` [n, ..., p] are those of the sums. A covariance that the few rows make negative
    counts as none.
    """
    total = counts.sum(axis=0)
    size = int(influences.molecule.max(initial=-1)) + 1
    steps = len(counts)
    shape = influences.changes.shape[1:]
    by_molecule = np.zeros((size, *shape))
    np.add.at(by_molecule, influences.molecule, influences.changes)
    # A molecule may be in a step with several rows, as a cluster: they move it together.
    keys, place = np.unique(influences.molecule * steps + influences.step_of, return_inverse=True)
    by_visit = np.zeros((keys.size, *shape))
    np.add.at(by_visit, place, influences.changes)
    shared = _outer(by_molecule) - _outer(by_visit)
    scale = np.divide(1.0, total, out=np.full(total.shape, np.nan), where=total > 0)
    shared = shared * scale[..., :, None] * scale[..., None, :]
    blocks = np.minimum(means.blocks, np.unique(influences.molecule).size)
    covariance = _over_steps(means, sums, counts) + _positive_part(shared)
    return replace(means, covariance=covariance, blocks=blocks)


def widened(
    means: Means,
    sums: FloatArray,
    counts: FloatArray,
    *,
    rounds: FloatArray | None = None,
    influences: Influences | None = None,
) -> tuple[Means, Estimand]:
    """Means with errors for new molecules, by influences or else by rounds, and whom they speak of."""
    if influences is not None:
        return over_molecules(means, sums, counts, influences), Estimand.NEW
    if rounds is not None:
        return capped(means, sums, counts, np.broadcast_to(rounds, means.blocks.shape)), Estimand.NEW
    return means, Estimand.THESE


def rounds_of(tasks: Sequence[str], rows: FloatArray, distinct: Mapping[str, int]) -> FloatArray:
    """How many times [m] a window with `rows` [t, m] goes round each task's distinct molecules.

    Raises:
        InputError: a task's number of molecules is missing or not positive.
    """
    absent = [task for task in tasks if task not in distinct]
    if absent:
        raise InputError(f"distinct: expected the molecules of every task, got none of {absent}")
    return passes(rows, np.array([distinct[task] for task in tasks], dtype=np.float64))


def _over_steps(means: Means, sums: FloatArray, counts: FloatArray) -> FloatArray:
    """The larger covariance [..., p, p]: of the means by blocks, or by single steps."""
    total = counts.sum(axis=0)
    scale = np.divide(1.0, total, out=np.full(total.shape, np.nan), where=total > 0)
    residuals = (sums - np.nan_to_num(means.values) * counts) * scale
    steps = len(sums)
    single = _outer(residuals) * (steps / max(steps - 1, 1))
    larger = single[..., 0, 0] > means.covariance[..., 0, 0]
    return np.where(larger[..., None, None], single, means.covariance)


def _outer(values: FloatArray) -> FloatArray:
    """Sums [..., p, p] of outer products of values [n, ..., p]."""
    return np.asarray(np.einsum("n...p,n...q->...pq", values, values))


def _positive_part(matrices: FloatArray) -> FloatArray:
    """Symmetric matrices [..., p, p] with negative eigenvalues set to zero; NaN ones stay NaN."""
    known = np.asarray(~np.isnan(matrices).any(axis=(-2, -1)))
    values, vectors = np.linalg.eigh(np.where(known[..., None, None], matrices, 0.0))
    kept = (vectors * np.maximum(values, 0.0)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.asarray(np.where(known[..., None, None], kept, np.nan))
