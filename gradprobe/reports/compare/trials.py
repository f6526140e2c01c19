"""The updates that recorded steps could have made, and the rows to judge them on, run by run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from gradprobe.geometry import (
    FoldProducts,
    Gramian,
    Group,
    TaskProducts,
    Trials,
    fresh_trials,
    heldout_products,
    heldout_trials,
)
from gradprobe.geometry.gramian import HELDOUT
from gradprobe.geometry.intervals import IntArray
from gradprobe.reports.compare.corrected import in_folds

Rows = Literal["heldout", "fresh"]


def usable(run: Sequence[Gramian], rows: Rows, focal: str) -> list[Gramian]:
    """The Gramians of a run that have rows of this kind to judge an update on."""
    if rows == "heldout":
        return [gramian for gramian in run if Group(focal, HELDOUT) in gramian.groups]
    return [gramian for gramian in run if in_folds(gramian)]


def trials_of(
    runs: Sequence[Sequence[Gramian]],
    weighed: Sequence[Sequence[Gramian]] | None,
    rows: Rows,
    focal: str,
) -> Iterator[Trials]:
    """The trials of each run on one kind of rows, all over the same tasks in the same order.

    Where Gramians are in an optimiser's geometry, `weighed` are the plain ones of the same steps. Updates are
    compared on the layers that the focal task reaches; all layers set the weights.
    """
    together, ends = _joined(runs), np.cumsum([len(run) for run in runs])[:-1]
    plain = None if weighed is None else _joined(weighed)
    reached = _reached(together, focal)
    if len(reached) < len(together[0].layers):
        plain = plain or together
        together = [_on(gramian, reached) for gramian in together]
    if rows == "fresh":
        folds = FoldProducts.of(together)
        own = [None] * len(runs) if plain is None else _split_folds(FoldProducts.of(plain), ends)
        for part, chosen in zip(_split_folds(folds, ends), own, strict=True):
            yield fresh_trials(part, focal=focal, weighed=chosen)
        return
    whole, effects = heldout_products(together, focal=focal)
    by_run = [None] * len(runs) if plain is None else _split_tasks(TaskProducts.of(plain), ends)
    parts = zip(_split_tasks(whole, ends), np.split(effects, ends), by_run, strict=True)
    for products, own_effects, weights in parts:
        yield heldout_trials(products, own_effects, focal=focal, weighed=weights)


def _joined(runs: Sequence[Sequence[Gramian]]) -> list[Gramian]:
    return [gramian for run in runs for gramian in run]


def _reached(gramians: Sequence[Gramian], focal: str) -> list[int]:
    """The layers at which the focal gradient is not zero at every step; all of them where there are none."""
    every = range(len(gramians[0].layers))
    lengths = [
        np.diagonal(gramian.values, axis1=1, axis2=2)[:, [group.task == focal for group in gramian.groups]]
        for gramian in gramians
    ]
    return [layer for layer in every if any(each[layer].any() for each in lengths)] or list(every)


def _on(gramian: Gramian, layers: Sequence[int]) -> Gramian:
    return replace(
        gramian,
        layers=tuple(gramian.layers[layer] for layer in layers),
        values=gramian.values[list(layers)],
        parameters=tuple(gramian.parameters[layer] for layer in layers),
    )


def _split_folds(folds: FoldProducts, ends: IntArray) -> list[FoldProducts]:
    parts = zip(np.split(folds.values, ends), np.split(folds.rows, ends), strict=True)
    return [FoldProducts(folds.tasks, values, rows) for values, rows in parts]


def _split_tasks(products: TaskProducts, ends: IntArray) -> list[TaskProducts]:
    parts = zip(np.split(products.values, ends), np.split(products.present, ends), strict=True)
    return [TaskProducts(products.tasks, values, present) for values, present in parts]
