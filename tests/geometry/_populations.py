"""Steps made of per-row gradients, and their Gramians by loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from gradprobe.geometry import FoldProducts, Gramian, Group

Rows = Mapping[str, Mapping[int, np.ndarray]]


def gramian_of(rows: Rows, fold_of: Mapping[int, str] | Mapping[str, Mapping[int, str]]) -> Gramian:
    """The Gramian of one layer of a step with these per-row gradients, task -> molecule -> gradient.

    `fold_of` maps molecules to folds, or (the mistake) tasks to such maps of their own.
    """
    groups, gradients, counts = [], [], []
    for task, mine in rows.items():
        folds = fold_of.get(task, fold_of)
        for fold in "AB":
            chosen = [gradient for molecule, gradient in mine.items() if folds[molecule] == fold]
            if chosen:
                groups.append(Group(task, fold))
                gradients.append(sum(chosen) / len(chosen))
                counts.append(len(chosen))
    values = np.array([[[float(np.dot(a, b)) for b in gradients] for a in gradients]])
    return Gramian(tuple(groups), ("layer",), values, tuple(counts), (len(gradients[0]),))


def bipartitions(molecules: Sequence[int], size: int) -> Iterator[dict[int, str]]:
    """Every split with `size` molecules in fold A."""
    for chosen in combinations(molecules, size):
        yield {molecule: "A" if molecule in chosen else "B" for molecule in molecules}


def distinct_pairs(rows: Rows, one: str, other: str) -> float:
    """The U-statistic: the mean product of rows of two tasks over pairs of distinct molecules."""
    products = [float(np.dot(a, b)) for r, a in rows[one].items() for s, b in rows[other].items() if r != s]
    return sum(products) / len(products)


def simulated(
    rng: np.random.Generator,
    means: np.ndarray,
    *,
    steps: int,
    rows: int = 4,
    noise: float = 1.0,
    shared: float = 0.0,
) -> FoldProducts:
    """Products of m tasks with mean gradients [m, d] or [t, m, d], `rows` a fold, Gaussian row noise.

    `noise` is the standard deviation of a row's gradient in each direction; a part `shared` of its
    variance is common to all tasks, as if every molecule carried every label and erred alike.
    """
    tasks, width = means.shape[-2:]
    common = rng.normal(size=(steps, 2, 1, width)) * np.sqrt(shared)
    own = rng.normal(size=(steps, 2, tasks, width)) * np.sqrt(1.0 - shared)
    path = means[:, None] if means.ndim == 3 else means
    gradients = path + (common + own) * noise / np.sqrt(rows)
    return products_of(gradients, np.full((steps, 2, tasks), float(rows)))


def products_of(gradients: np.ndarray, rows: np.ndarray) -> FoldProducts:
    """Products of fold gradients [t, 2, m, d] with row counts [t, 2, m]."""
    there = gradients * (rows > 0)[..., None]
    values = np.einsum("sxid,syjd->sxyij", there, there)
    return FoldProducts(tuple("abcdefgh"[: rows.shape[-1]]), values, rows)


def pair_of_means(cosine: float, width: int, length: float = 1.0) -> np.ndarray:
    """Two mean gradients [2, width] of a length, at a cosine."""
    means = np.zeros((2, width))
    means[0, 0] = length
    means[1, :2] = length * cosine, length * np.sqrt(1.0 - cosine**2)
    return means
