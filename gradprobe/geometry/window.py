"""Inner products of tasks and of their folds over a window of steps, as arrays.

A step's molecules are split once into folds A and B, and every task inherits the split.
Fold sizes n_iX may differ, and a task may have one fold only, or none. What holds then, for molecules
drawn independently:

- A step offers up to two products across folds, `<g_i^A, g_j^B>` and `<g_i^B, g_j^A>`. Whether one is
  there, and how large its folds are, depends on labels of i in the one fold and of j in the other, which
  hold different molecules, and says nothing of the rows' gradients. So each is an unbiased estimate of
  `<g_i, g_j>` whatever its fold sizes, and so is the mean of those that are there over a window, each
  counted once. Weights by the number of row pairs would be unbiased over the window too, but would give
  numerator and diagonals of a cosine different weights of steps, so that it would be no cosine; and
  dividing by the pairs within a step would not be: the sizes of one task's folds tell which of the
  other's rows carry both labels.
- A task with one fold only has no squared norm across folds in that step, but still a product with
  every task that has rows in the other fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import HELDOUT, BoolArray, FloatArray, Gramian, Group

FOLDS = ("A", "B")


@dataclass(frozen=True, eq=False)
class TaskProducts:
    """Inner products [t, m, m] of whole tasks at t steps; 0 where a task is not `present` [t, m].

    Of one layer, tasks are present at the steps where some loss reaches it.
    """

    tasks: tuple[str, ...]
    values: FloatArray
    present: BoolArray

    @classmethod
    def of(cls, gramians: Sequence[Gramian], *, layer: str | None = None) -> TaskProducts:
        """The products of a sequence of Gramians, folds merged, over all layers or on one of them.

        Held-out rows are left out.

        Raises:
            InputError: no Gramian, or layers that differ or lack `layer`.
        """
        whole = [gramian.by_task() for gramian in gramians]
        tasks, number = _tasks(whole), _layer(whole, layer)
        values = np.zeros((len(whole), len(tasks), len(tasks)))
        present = np.zeros((len(whole), len(tasks)), dtype=np.bool_)
        for step, gramian in enumerate(whole):
            if _is_out_of_reach(gramian, number):
                continue
            at = np.array([tasks.index(task) for task in gramian.tasks])
            values[step, at[:, None], at] = gramian.total if number is None else gramian.values[number]
            present[step, at] = True
        return cls(tasks, values, present)


@dataclass(frozen=True, eq=False)
class FoldProducts:
    """Inner products [t, 2, 2, m, m] of the fold gradients of m tasks at t steps.

    `values[s, X, Y, i, j]` is `<g_i^X, g_j^Y>` at step s, 0 where a fold has no rows; `rows` [t, 2, m]
    counts them. Of one layer, no fold has rows at a step where no loss reaches it.
    """

    tasks: tuple[str, ...]
    values: FloatArray
    rows: FloatArray

    def __post_init__(self) -> None:
        size = len(self.tasks)
        if self.values.shape[1:] != (2, 2, size, size) or self.rows.shape != (len(self.values), 2, size):
            raise InputError(
                f"values, rows: expected shapes [t, 2, 2, {size}, {size}] and [t, 2, {size}], "
                f"got {self.values.shape} and {self.rows.shape}"
            )

    @classmethod
    def of(cls, gramians: Sequence[Gramian], *, layer: str | None = None) -> FoldProducts:
        """The products of a sequence of folded Gramians, over all layers or on one of them.

        Tasks may be missing at some steps. Held-out rows are left out.

        Raises:
            InputError: no Gramian, one of whole tasks, layers that differ or lack `layer`.
        """
        gramians = [gramian.without_heldout() for gramian in gramians]
        tasks, number = _tasks(gramians), _layer(gramians, layer)
        place = {(task, fold): (k, i) for i, task in enumerate(tasks) for k, fold in enumerate(FOLDS)}
        values = np.zeros((len(gramians), 2, 2, len(tasks), len(tasks)))
        rows = np.zeros((len(gramians), 2, len(tasks)))
        for step, gramian in enumerate(gramians):
            strange = [group for group in gramian.groups if (group.task, group.fold) not in place]
            if strange:
                raise InputError(
                    f"gramians: expected groups of the folds A and B at every step, got {strange[0]}; "
                    "name the molecule behind each row: measure(losses, rows=...)"
                )
            if _is_out_of_reach(gramian, number):
                continue
            fold, task = np.array([place[group.task, group.fold] for group in gramian.groups]).T
            values[step, fold[:, None], fold, task[:, None], task] = (
                gramian.total if number is None else gramian.values[number]
            )
            rows[step, fold, task] = gramian.rows
        return cls(tasks, values, rows)

    @cached_property
    def across(self) -> tuple[FloatArray, FloatArray]:
        """Sums [t, m, m] of a step's products across folds, and how many there are: 0, 1 or 2."""
        there = self.rows > 0
        counts = there[:, 0, :, None] & there[:, 1, None, :]
        both = self.values[:, 0, 1] + self.values[:, 1, 0]
        return both, counts.astype(np.float64) + counts.transpose(0, 2, 1)

    @cached_property
    def row_noise(self) -> tuple[FloatArray, FloatArray]:
        """Sums [t, m, m] over a step's folds of their noise per row, and how many folds gave one.

        `sqrt(n_iX n_jX) (<g_i^X, g_j^X> - across_ij)` for fold X. On the diagonal its mean is the trace
        N_i of the per-row covariance, whatever the fold sizes, since `E|g_i^X|^2 = S_ii + N_i / n_iX`.
        Off it, with s_X molecules shared, `s_X / sqrt(n_iX n_jX)` times the trace of the covariance of a
        shared molecule's two row gradients: 0 for tasks that share none.
        """
        sums, counts = self.across
        across = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        scale = np.sqrt(self.rows[:, :, :, None] * self.rows[:, :, None, :])
        scale = scale * (counts > 0)[:, None]
        within = np.stack([self.values[:, k, k] for k in range(2)], axis=1)
        return (scale * (within - across[:, None])).sum(axis=1), (scale > 0).sum(axis=1).astype(np.float64)

    @cached_property
    def whole(self) -> TaskProducts:
        """The products of whole tasks, folds weighted by their rows."""
        counts = self.rows.sum(axis=1)
        shares = np.divide(
            self.rows, counts[:, None], out=np.zeros_like(self.rows), where=counts[:, None] > 0
        )
        values = np.einsum("txi,txyij,tyj->tij", shares, self.values, shares)
        return TaskProducts(self.tasks, values, counts > 0)

    @property
    def batch_rows(self) -> FloatArray:
        """Harmonic mean [m] over steps of a task's rows: the batch size b of `S + N / b`; NaN for none."""
        counts = self.rows.sum(axis=1)
        inverse = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
        steps = (counts > 0).sum(axis=0)
        total = inverse.sum(axis=0)
        return np.asarray(np.divide(steps, total, out=np.full(total.shape, np.nan), where=steps > 0))


def heldout_products(
    gramians: Sequence[Gramian], *, focal: str, layer: str | None = None
) -> tuple[TaskProducts, FloatArray]:
    """Products of whole tasks at t steps, and the effects [t, m] of their gradients on held-out rows.

    An effect is `<g_i, g_focal^H>`, the inner product of task i's minibatch gradient with that of held-out
    rows of the focal task: what `decision.heldout_trials` takes. NaN where the task is missing, and
    throughout a step that was measured without held-out rows or where no loss reaches the layer. Over all
    layers or on one of them.

    Raises:
        InputError: no Gramian, or layers that differ or lack `layer`.
    """
    products, number = TaskProducts.of(gramians, layer=layer), _layer(gramians, layer)
    effects = np.full(products.present.shape, np.nan)
    judge = Group(focal, HELDOUT)
    for step, gramian in enumerate(gramians):
        if judge in gramian.groups:
            column = gramian.groups.index(judge)
            values = gramian.total if number is None else gramian.values[number]
            at = [products.tasks.index(task) for task in gramian.tasks]
            effects[step, at] = gramian.merging @ values[:, column]
    return products, effects


def _tasks(gramians: Sequence[Gramian]) -> tuple[str, ...]:
    if not gramians:
        raise InputError("gramians: expected the Gramians of at least one step, got none")
    return tuple(dict.fromkeys(task for gramian in gramians for task in gramian.tasks))


def _is_out_of_reach(gramian: Gramian, layer: int | None) -> bool:
    """Whether no loss of the step reaches a layer, or any of them."""
    return bool(gramian.unreached.all() if layer is None else gramian.unreached[layer])


def _layer(gramians: Sequence[Gramian], layer: str | None) -> int | None:
    layers = gramians[0].layers
    other = next((gramian.layers for gramian in gramians if gramian.layers != layers), None)
    if other is not None:
        raise InputError(f"gramians: expected the layers {layers} at every step, got {other} at one")
    if layer is not None and layer not in layers:
        raise InputError(f"layer: expected one of {list(layers)}, got {layer!r}")
    return None if layer is None else layers.index(layer)
