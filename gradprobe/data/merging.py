"""Rows to molecules: the labels of repeated molecules merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from gradprobe.data.table import MoleculeTable, Origin, Repeats, SkippedRow, TaskKind
from gradprobe.data.task_labels import ABOVE, BELOW, EXACT, Bounds, IntArray, TaskLabels
from gradprobe.geometry.gramian import FloatArray

Duplicates = Literal["mean", "median", "drop"]


def merge_rows(
    smiles: Sequence[str],
    labels: FloatArray,
    kinds: Mapping[str, TaskKind],
    *,
    skipped: Sequence[SkippedRow] = (),
    origins: Mapping[str, Origin] | None = None,
) -> MoleculeTable:
    """The table of labels [r, m] of r rows, in which rows of one canonical SMILES become one molecule.

    Each task's label is the mean over the rows that carry one. Where rows disagree on a
    classification label, the label is left out and counted: half active is neither class. Molecules
    without a label of any task are left out. `kinds` names the tasks in the order of the columns.
    """
    position, rows = molecules_of(smiles)
    labelled, repeats = {}, {}
    for column, (task, kind) in enumerate(kinds.items()):
        labelled[task], repeats[task] = merge_labels(
            rows, labels[:, column], np.zeros(len(rows), dtype=np.int8), kind
        )
    return MoleculeTable(
        smiles=tuple(position),
        labelled=labelled,
        kinds=dict(kinds),
        skipped=tuple(skipped),
        merged=len(smiles) - len(position),
        conflicts=conflicts_of(repeats, kinds),
        origins=dict(origins or {}),
        repeats={task: found for task, found in repeats.items() if found.molecules},
    ).select(tuple(kinds))


def molecules_of(smiles: Sequence[str]) -> tuple[dict[str, int], IntArray]:
    """The distinct molecules in order with their places, and the place [r] of each row's molecule."""
    position = {text: index for index, text in enumerate(dict.fromkeys(smiles))}
    return position, np.array([position[text] for text in smiles], dtype=np.intp)


def merge_labels(
    rows: IntArray, values: FloatArray, bounds: Bounds, kind: TaskKind, how: Duplicates = "mean"
) -> tuple[TaskLabels, Repeats]:
    """One task's labels [r] of rows merged into its molecules', and what that did.

    `rows` [r] are the molecules of the rows. Regressions take the mean, the median or, for `drop`, no label
    where repeats differ; classes that differ are left out. A measured value goes before bounds; of bounds on
    one side the tightest stays, bounds on both sides are left out.
    """
    given = np.flatnonzero(~np.isnan(values))
    order = given[np.argsort(rows[given], kind="stable")]
    molecules, starts = np.unique(rows[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    merged, beyond = values[order[starts]].copy(), bounds[order[starts]].copy()
    spreads: list[float] = []
    ratios: list[bool] = []
    left_out = 0
    for place in np.flatnonzero(ends - starts > 1):
        own = order[starts[place] : ends[place]]
        merged[place], beyond[place] = _one(values[own], bounds[own], kind, how)
        left_out += bool(np.isnan(merged[place]))
        exact = values[own][bounds[own] == EXACT]
        if len(exact) > 1:
            spreads.append(float(np.ptp(exact)))
            ratios.append(bool(exact.max() > 3 * exact.min()))
    kept = ~np.isnan(merged)
    positive = kind == "regression" and bool(np.all(values[given] > 0))
    repeats = Repeats(
        molecules=int((ends - starts > 1).sum()),
        spread=float(np.median(spreads)) if spreads and kind == "regression" else 0.0,
        threefold=sum(ratios) if positive else None,
        left_out=left_out,
    )
    return TaskLabels(molecules[kept], merged[kept], beyond[kept]), repeats


def conflicts_of(repeats: Mapping[str, Repeats], kinds: Mapping[str, TaskKind]) -> dict[str, int]:
    """The classification labels left out of each task that lost some."""
    return {
        task: found.left_out
        for task, found in repeats.items()
        if kinds[task] == "classification" and found.left_out
    }


def kind_of(labels: FloatArray) -> TaskKind:
    """The kind of a task with labels [r]: classification where they are 0 and 1 and both occur.

    >>> kind_of(np.array([0.0, 1.0, np.nan])), kind_of(np.array([1.0, 1.0]))
    ('classification', 'regression')
    """
    values = np.unique(labels[np.isfinite(labels)])
    return "classification" if np.array_equal(values, [0.0, 1.0]) else "regression"


def _one(values: FloatArray, bounds: Bounds, kind: TaskKind, how: Duplicates) -> tuple[float, int]:
    exact = values[bounds == EXACT]
    if not len(exact):
        sides = set(bounds.tolist())
        if len(sides) > 1:
            return float("nan"), EXACT
        return (float(values.min()), BELOW) if BELOW in sides else (float(values.max()), ABOVE)
    differ = bool(np.ptp(exact) > 0)
    if (kind == "classification" or how == "drop") and differ:
        return float("nan"), EXACT
    return float(np.median(exact) if how == "median" else exact.mean()), EXACT
