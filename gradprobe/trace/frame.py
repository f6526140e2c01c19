"""A trace as a tidy pandas table: one row a number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
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
from gradprobe.trace.columns import Block, Columns
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.records import GramianRecord, QuantityRecord

COLUMNS = (
    *("step", "epoch", "split", "engine", "quantity", "layer", "task", "other", "value", "reason"),
    "geometry",
)
_Index = npt.NDArray[np.int64]


def tidy(
    header: TraceHeader,
    gramians: Sequence[GramianRecord],
    quantities: Sequence[QuantityRecord],
    *,
    only: Collection[str] | None = None,
    layers: Collection[str] | None = None,
    categories: bool = False,
) -> pd.DataFrame:
    """One row for each number of a trace in one geometry, with the columns of `COLUMNS`.

    What is read off Gramians is that of the plain gradients, or of the preconditioned ones where those
    were measured; the column `geometry` says which, and is empty for what is read off no Gramian.

    `layer` is empty for what holds over the whole trunk; `task` and `other` are empty where a
    number belongs to no task or pair. `cosine` rows name the focal task first, or any pair i < j of
    auxiliaries over the whole trunk. `heldout_effect` is the inner product of a task's gradient with that
    of held-out rows of the focal task: positive where a step along it helps them. `loss` and `rows` name
    the fold in `other`, `H` for held-out rows. Undefined values are NaN, with a `reason`; those of a layer
    that no loss reaches at a step are, and what holds over the whole trunk is over the other layers.

    Args:
        header: of the trace.
        gramians: its records in one geometry.
        quantities: its records that are read off no Gramian.
        only: the quantities to give; None: all.
        layers: the layers to give, `""` for the whole trunk; None: all.
        categories: give texts as pandas categories, which take an eighth of the memory.
    """
    rows = _Rows(header.focal, only, layers)
    for record in gramians:
        rows.add_record(record)
    for quantity in quantities:
        rows.add_quantity(quantity)
    return rows.columns.frame(COLUMNS, categories=categories)


@dataclass
class _Rows:
    focal: str
    only: Collection[str] | None
    layers: Collection[str] | None
    columns: Columns = field(default_factory=Columns)
    _pairs: dict[tuple[tuple[str, ...], bool], tuple[_Index, _Index, Any, Any]] = field(default_factory=dict)

    def add_record(self, record: GramianRecord) -> None:
        place = Block(record.step, record.epoch, record.split, record.engine, record.geometry)
        gramian = record.gramian.by_task()
        if self._wants("loss", "") or self._wants("rows", ""):
            self._losses(place, record)
        for layer, values in zip(("", *gramian.layers), (gramian.total, *gramian.values), strict=True):
            if self.layers is None or layer in self.layers:
                self._layer(place, gramian.tasks, values, layer)
        if self.layers is None or "" in self.layers:
            self._set(place, gramian)
        self._heldout(place, record.gramian)

    def add_quantity(self, quantity: QuantityRecord) -> None:
        if self._wants(quantity.name, quantity.layer):
            self.columns.add(
                Block(quantity.step, quantity.epoch, quantity.split, "", ""),
                np.array([quantity.value]),
                quantity=quantity.name,
                layer=quantity.layer,
                task=quantity.task,
                reasons={0: quantity.reason},
            )

    def _wants(self, quantity: str, layer: str) -> bool:
        return (self.only is None or quantity in self.only) and (self.layers is None or layer in self.layers)

    def _losses(self, place: Block, record: GramianRecord) -> None:
        groups = record.gramian.groups
        tasks = self.columns.codes([group.task for group in groups])
        folds = self.columns.codes([group.fold for group in groups])
        missing = {int(k): "no loss given" for k in np.flatnonzero(~np.isfinite(record.losses))}
        if self._wants("loss", ""):
            self.columns.add(place, record.losses, quantity="loss", task=tasks, other=folds, reasons=missing)
        if self._wants("rows", ""):
            counts = np.array(record.gramian.rows, dtype=np.float64)
            self.columns.add(place, counts, quantity="rows", task=tasks, other=folds)

    def _layer(self, place: Block, tasks: tuple[str, ...], values: FloatArray, layer: str) -> None:
        add = self.columns.add
        if self._wants("norm", layer):
            lengths = norms(values)
            add(
                place,
                lengths,
                quantity="norm",
                layer=layer,
                task=self.columns.codes(tasks),
                reasons=_out_of_reach(lengths),
            )
        if self._wants("cosine", layer):
            i, j, task, other = self._pairs_of(tasks, everything=not layer)
            found = cosines(values)
            reasons = {k: found.reasons[at] for k, at in _at(found, i, j)} if found.reasons else None
            add(
                place,
                found.values[i, j],
                quantity="cosine",
                layer=layer,
                task=task,
                other=other,
                reasons=reasons,
            )
        if self.focal in tasks and self._wants("norm_ratio", layer):
            ratios = norm_ratios(values, tasks.index(self.focal))
            others = self.columns.codes([task for task in tasks if task != self.focal])
            reasons = {k: reason for (k,), reason in ratios.reasons.items()}
            add(
                place,
                ratios.values,
                quantity="norm_ratio",
                layer=layer,
                task=self.focal,
                other=others,
                reasons=reasons,
            )

    def _set(self, place: Block, gramian: Gramian) -> None:
        total = gramian.total
        if self._wants("overlap", ""):
            self._one(place, "overlap", gradient_overlap(total))
        if self._wants("conflict_energy", "") or self._wants("conflict_energy_per_pair", ""):
            energies = zip(
                ("conflict_energy", "conflict_energy_per_pair"), conflict_energy(total), strict=True
            )
            for name, quantity in energies:
                if self._wants(name, ""):
                    self._one(place, name, quantity)
        if self.focal in gramian.tasks:
            found = conflicts(total, gramian.tasks.index(self.focal))
            for name, value in (("negative_fraction", found.fraction), ("negative_mass", found.mass)):
                if self._wants(name, ""):
                    reasons = {0: found.reason}
                    self.columns.add(
                        place, np.array([value]), quantity=name, task=self.focal, reasons=reasons
                    )

    def _one(self, place: Block, name: str, quantity: Quantity) -> None:
        self.columns.add(
            place, quantity.values.reshape(1), quantity=name, reasons={0: quantity.reasons.get((), "")}
        )

    def _heldout(self, place: Block, gramian: Gramian) -> None:
        if Group(self.focal, HELDOUT) not in gramian.groups:
            return
        for layer in (None, *gramian.layers):
            if self._wants("heldout_effect", layer or ""):
                products, effects = heldout_products([gramian], focal=self.focal, layer=layer)
                self.columns.add(
                    place,
                    effects[0],
                    quantity="heldout_effect",
                    layer=layer or "",
                    task=self.columns.codes(products.tasks),
                    other=self.focal,
                    reasons=_out_of_reach(effects[0]),
                )

    def _pairs_of(self, tasks: tuple[str, ...], *, everything: bool) -> tuple[_Index, _Index, Any, Any]:
        """Focal pairs first, each named from the focal side; then, over the whole trunk, the others."""
        key = (tasks, everything)
        if key not in self._pairs:
            pairs = []
            row = tasks.index(self.focal) if self.focal in tasks else None
            if row is not None:
                pairs = [(row, k) for k in range(len(tasks)) if k != row]
            if everything:
                others = [k for k in range(len(tasks)) if k != row]
                pairs += [(a, b) for at, a in enumerate(others) for b in others[at + 1 :]]
            i, j = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
            codes = self.columns.codes(tasks)
            self._pairs[key] = i, j, codes[i], codes[j]
        return self._pairs[key]


def _at(found: Quantity, i: _Index, j: _Index) -> list[tuple[int, tuple[int, int]]]:
    """The places among pairs of those that are undefined, with their index in the matrix."""
    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return [(k, at) for k, at in enumerate(pairs) if at in found.reasons]


def _out_of_reach(values: FloatArray) -> dict[int, str]:
    """The reason why lengths or products are NaN: of those, only layers out of reach are stored so."""
    return {int(k): NOT_REACHED for k in np.flatnonzero(np.isnan(values))}
