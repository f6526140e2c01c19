"""Populations of per-row gradients whose inner products, noise and cosines are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import BoolArray, FloatArray, FoldProducts

# Cosines of three tasks: an aligned auxiliary and a conflicting one, which have nothing to do with
# each other but what both share with the focal task.
COSINES = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.0], [-0.3, 0.0, 1.0]])


Draw = Callable[[np.random.Generator], tuple[FoldProducts, FloatArray]]


@dataclass(frozen=True, eq=False)
class Population:
    """A window of steps to draw, and its truth.

    `draw(rng)` gives the folds of one window, and the true products [m, m] of that very window, which are
    not the population's where gradients drift. `products` [m, m] are its `<g_i, g_j>`, `noise` [m, m] its
    row noise: N_i on the diagonal, and off it C_ij as `predicted_cosines` means it. `rows` is the
    expected batch size of a task, None where it varies.
    """

    name: str
    steps: int
    draw: Draw
    products: FloatArray
    noise: FloatArray
    rows: float | None

    def raw_products(self, rows: float) -> FloatArray:
        """Expected raw products [m, m] at a batch of so many rows."""
        return np.asarray(self.products + self.noise / rows)


def gaussian(
    name: str,
    *,
    steps: int,
    share: float,
    rows: int = 4,
    width: int = 40,
    shared: float = 0.0,
    drift: float = 0.0,
    memory: float = 0.0,
    cosines: FloatArray = COSINES,
) -> Population:
    """Gaussian rows, `rows` a fold, with this signal share at a whole batch.

    A part `shared` of the row noise is common to all tasks. With `drift`, mean gradients move around
    theirs with that variance and first-order autocorrelation `memory`.
    """
    tasks = len(cosines)
    means = np.zeros((tasks, width))
    means[:, :tasks] = np.linalg.cholesky(cosines + 1e-12 * np.eye(tasks))
    products = cosines + drift * np.eye(tasks)
    noise = (1.0 / share - 1.0) * 2 * rows * products[0, 0]

    def draw(rng: np.random.Generator) -> tuple[FoldProducts, FloatArray]:
        common = rng.normal(size=(steps, 2, 1, width)) * np.sqrt(shared)
        own = rng.normal(size=(steps, 2, tasks, width)) * np.sqrt(1.0 - shared)
        path = means + _drifting(rng, (steps, tasks, width), memory) * np.sqrt(drift / width)
        window = np.einsum("tid,tjd->ij", path, path) / steps if drift else products
        return folds_of(path[:, None] + (common + own) * np.sqrt(noise / width / rows), rows), window

    correlation = shared + (1.0 - shared) * np.eye(tasks)
    return Population(name, steps, draw, products, noise * correlation, 2.0 * rows)


def pure_noise(name: str, *, steps: int, tasks: int = 3, shared: float = 0.0) -> Population:
    """Gaussian rows of tasks without any signal."""
    width, rows = 20, 4

    def draw(rng: np.random.Generator) -> tuple[FoldProducts, FloatArray]:
        common = rng.normal(size=(steps, 2, 1, width)) * np.sqrt(shared)
        own = rng.normal(size=(steps, 2, tasks, width)) * np.sqrt(1.0 - shared)
        return folds_of(common + own, rows), np.zeros((tasks, tasks))

    return Population(name, steps, draw, np.zeros((tasks, tasks)), np.eye(tasks), 2.0 * rows)


def molecules(
    name: str,
    *,
    steps: int,
    signal: float,
    rows: int = 8,
    number: int = 163,
    labelled: float = 1.0,
    split_by_task: bool = False,
) -> Population:
    """A finite set of molecules that carry labels of every task, or each with probability `labelled`.

    A row's gradient is its task's mean plus a heavy-tailed residual times the molecule's features, as in
    a linear model; residuals of a molecule's tasks correlate. Every step draws `2 rows` molecules without
    replacement. `split_by_task` makes the mistake of splitting every task's rows by themselves.
    """
    rng = np.random.default_rng(163)
    tasks, width = len(COSINES), 20
    features = rng.normal(size=(number, 1, width))
    residuals = rng.standard_t(5, size=(number, 1)) + 0.5 * rng.standard_t(5, size=(number, tasks))
    means = np.zeros((tasks, width))
    means[:, :tasks] = np.linalg.cholesky(COSINES) * signal
    there = rng.random((number, tasks)) < labelled
    return of_rows(name, means + residuals[..., None] * features, there, steps=steps, rows=rows,
                   split_by_task=split_by_task)  # fmt: skip


def of_rows(
    name: str, gradients: FloatArray, there: BoolArray, *, steps: int, rows: int, split_by_task: bool = False
) -> Population:
    """Steps that draw from rows with these gradients [n, m, d] where a molecule has the label [n, m].

    The truth is the U-statistic over pairs of distinct molecules.
    """
    number, tasks = there.shape
    present = gradients * there[..., None]

    def draw(rng: np.random.Generator) -> tuple[FoldProducts, FloatArray]:
        order = rng.random((steps, number)).argsort(axis=1)[:, : 2 * rows]
        # A batch of molecules; within it, the fold of each, the same for all tasks or (wrongly) not.
        place = np.broadcast_to(np.arange(2 * rows)[None, :, None], (steps, 2 * rows, tasks))
        if split_by_task:
            place = rng.random((steps, 2 * rows, tasks)).argsort(axis=1)
        batch, labels = present[order], there[order]
        members = np.stack([labels & (place < rows), labels & (place >= rows)], axis=1).astype(np.float64)
        counts = members.sum(axis=2)
        sums = np.einsum("txrm,trmd->txmd", members, batch, optimize=True)
        return folds_of(sums / np.maximum(counts, 1.0)[..., None], counts), products

    counts = there.sum(axis=0).astype(np.float64)
    both = there.T.astype(np.float64) @ there
    total, within = present.sum(axis=0), np.einsum("nid,njd->ij", present, present)
    products = (total @ total.T - within) / (np.outer(counts, counts) - both)
    noise = within / np.sqrt(np.outer(counts, counts)) - both / np.sqrt(np.outer(counts, counts)) * products
    return Population(name, steps, draw, products, noise, 2.0 * rows if there.all() else None)


def folds_of(gradients: FloatArray, rows: FloatArray | float) -> FoldProducts:
    counts = np.broadcast_to(np.asarray(rows, dtype=np.float64), gradients.shape[:3])
    flat = gradients.reshape(len(gradients), -1, gradients.shape[-1])
    tasks = gradients.shape[2]
    values = (flat @ flat.transpose(0, 2, 1)).reshape(-1, 2, tasks, 2, tasks).transpose(0, 1, 3, 2, 4)
    return FoldProducts(tuple("abcdefgh"[:tasks]), values, counts)


def _drifting(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> FloatArray:
    values = rng.normal(size=shape)
    for step in range(1, shape[0] if memory else 0):
        values[step] = memory * values[step - 1] + np.sqrt(1.0 - memory**2) * values[step]
    return values
