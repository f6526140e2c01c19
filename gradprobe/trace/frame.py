"""A trace as a tidy pandas table: one row a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gradprobe.geometry import (
    HELDOUT,
    NOT_REACHED,
    FloatArray,
    Gramian,
    Group,
    Quantity,
    conflict_energy,
    conflicts,
    cosines,
    gradient_overlap,
    heldout_products,
    norm_ratios,
    norms,
)
from gradprobe.trace.records import Geometry, GramianRecord

if TYPE_CHECKING:
    from gradprobe.trace.store import Trace

COLUMNS = (
    *("step", "epoch", "split", "engine", "quantity", "layer", "task", "other", "value", "reason"),
    "geometry",
)
_Row = tuple[str, str, str, str, float, str]


def tidy(trace: Trace, *, geometry: Geometry = "plain") -> pd.DataFrame:
    """One row for each number of a trace in one geometry, with the columns of `COLUMNS`.

    What is read off Gramians is that of the plain gradients, or of the preconditioned ones where those
    were measured; the column `geometry` says which, and is empty for what is read off no Gramian.

    `layer` is empty for what holds over the whole trunk; `task` and `other` are empty where a
    number belongs to no task or pair. `cosine` rows name the focal task first, or any pair i < j of
    auxiliaries over the whole trunk. `heldout_effect` is the inner product of a task's gradient with that
    of held-out rows of the focal task: positive where a step along it helps them. `loss` and `rows` name
    the fold in `other`, `H` for held-out rows. Undefined values are NaN, with a `reason`; those of a layer
    that no loss reaches at a step are, and what holds over the whole trunk is over the other layers.
    """
    rows: list[tuple[object, ...]] = []
    for record in trace.gramians if geometry == "plain" else trace.preconditioned:
        place = (record.step, record.epoch, record.split, record.engine)
        rows += [(*place, *row, geometry) for row in _of_record(record, trace.header.focal)]
    for quantity in trace.quantities:
        place = (quantity.step, quantity.epoch, quantity.split, "")
        rows.append(
            (*place, quantity.name, quantity.layer, quantity.task, "", quantity.value, quantity.reason, "")
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"step": "int64", "epoch": "Int64", "value": "float64"})


def _of_record(record: GramianRecord, focal: str) -> Iterator[_Row]:
    gramian = record.gramian.by_task()
    for group, loss, count in zip(record.gramian.groups, record.losses, record.gramian.rows, strict=True):
        yield ("loss", "", group.task, group.fold, float(loss), "" if np.isfinite(loss) else "no loss given")
        yield ("rows", "", group.task, group.fold, float(count), "")
    for layer, values in zip(("", *gramian.layers), (gramian.total, *gramian.values), strict=True):
        yield from _of_layer(gramian, values, layer, focal)
    yield from _of_set(gramian, focal)
    yield from _on_heldout_rows(record.gramian, focal)


def _of_layer(gramian: Gramian, values: FloatArray, layer: str, focal: str) -> Iterator[_Row]:
    tasks = gramian.tasks
    for task, norm in zip(tasks, norms(values), strict=True):
        yield ("norm", layer, task, "", float(norm), _unless_defined(norm))
    pairs = cosines(values)
    for i, j in _pairs(tasks, focal, everything=not layer):
        yield ("cosine", layer, tasks[i], tasks[j], *_entry(pairs, (i, j)))
    if focal in tasks:
        row = tasks.index(focal)
        ratios = norm_ratios(values, row)
        for k, other in enumerate(task for task in tasks if task != focal):
            yield ("norm_ratio", layer, focal, other, *_entry(ratios, (k,)))


def _of_set(gramian: Gramian, focal: str) -> Iterator[_Row]:
    overlap, (energy, energy_per_pair) = gradient_overlap(gramian.total), conflict_energy(gramian.total)
    for name, quantity in (
        ("overlap", overlap),
        ("conflict_energy", energy),
        ("conflict_energy_per_pair", energy_per_pair),
    ):
        yield (name, "", "", "", *_entry(quantity, ()))
    if focal in gramian.tasks:
        found = conflicts(gramian.total, gramian.tasks.index(focal))
        yield ("negative_fraction", "", focal, "", found.fraction, found.reason)
        yield ("negative_mass", "", focal, "", found.mass, found.reason)


def _on_heldout_rows(gramian: Gramian, focal: str) -> Iterator[_Row]:
    if Group(focal, HELDOUT) in gramian.groups:
        for layer in (None, *gramian.layers):
            products, effects = heldout_products([gramian], focal=focal, layer=layer)
            for task, effect in zip(products.tasks, effects[0], strict=True):
                yield ("heldout_effect", layer or "", task, focal, float(effect), _unless_defined(effect))


def _unless_defined(value: float) -> str:
    """The reason why a length or product is NaN: of those, only layers out of reach are stored so."""
    return NOT_REACHED if np.isnan(value) else ""


def _pairs(tasks: tuple[str, ...], focal: str, *, everything: bool) -> Iterator[tuple[int, int]]:
    """Focal pairs first, each named from the focal side; then, over the whole trunk, the others."""
    if focal in tasks:
        row = tasks.index(focal)
        yield from ((row, k) for k in range(len(tasks)) if k != row)
    if everything:
        yield from (
            (i, j)
            for i in range(len(tasks))
            for j in range(i + 1, len(tasks))
            if focal not in (tasks[i], tasks[j])
        )


def _entry(quantity: Quantity, index: tuple[int, ...]) -> tuple[float, str]:
    return float(quantity.values[index]), quantity.reasons.get(index, "")
