"""Dealing molecules out to splits, eight to train for one to validation and one to test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradprobe.data.task_labels import IntArray

# Of ten molecules in a row, eight are for train (0), one for validation (1), one for test (2).
_HAND = np.array([0] * 8 + [1, 2], dtype=np.intp)


def deal(order_by: Sequence[IntArray], seed: int) -> IntArray:
    """The split [u] (0 train, 1 validation, 2 test) of each of u units.

    Units are sorted by the keys in `order_by` (first key first; each [u]) and shuffled where all keys are the
    same. Each ten in a row hold one validation and one test unit at random places. So every run of k units
    with the same keys gives about k / 10 to validation and to test, at most one more or less for each
    end of the run.
    """
    rng = np.random.default_rng(seed)
    n = len(order_by[0])
    order = np.lexsort([rng.permutation(n), *reversed(order_by)])
    dealt = np.empty(n, dtype=np.intp)
    for start in range(0, n, len(_HAND)):
        hand = order[start : start + len(_HAND)]
        dealt[hand] = rng.permutation(_HAND)[: len(hand)] if start else _first(len(hand), rng)
    return dealt


def _first(size: int, rng: np.random.Generator) -> IntArray:
    """The first hand; one of fewer than ten units still gives each split one where it can."""
    if size >= len(_HAND):
        return rng.permutation(_HAND)
    return rng.permutation(np.concatenate([[1, 2], np.zeros(8, dtype=np.intp)])[:size])
