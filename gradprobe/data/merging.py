"""Rows to molecules: the labels of repeated molecules merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradprobe.data.table import MoleculeTable, Origin, SkippedRow, TaskKind
from gradprobe.geometry.gramian import FloatArray


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
    position = {text: index for index, text in enumerate(dict.fromkeys(smiles))}
    rows = np.array([position[text] for text in smiles], dtype=np.intp)
    given = np.isfinite(labels)
    counts = np.zeros((len(position), len(kinds)))
    sums = np.zeros_like(counts)
    np.add.at(counts, rows, given)
    np.add.at(sums, rows, np.where(given, labels, 0.0))
    merged = np.full_like(sums, np.nan)
    np.divide(sums, counts, out=merged, where=counts > 0)

    conflicts = {}
    for column, (task, kind) in enumerate(kinds.items()):
        # A halfway value is no class; NaN (no label at all) compares unequal to itself only.
        torn = (merged[:, column] > 0) & (merged[:, column] < 1)
        if kind == "classification" and torn.any():
            merged[torn, column] = np.nan
            conflicts[task] = int(torn.sum())

    return MoleculeTable(
        smiles=tuple(position),
        tasks=tuple(kinds),
        labels=merged,
        kinds=dict(kinds),
        skipped=tuple(skipped),
        merged=len(smiles) - len(position),
        conflicts=conflicts,
        origins=dict(origins or {}),
    ).select(tuple(kinds))


def kind_of(labels: FloatArray) -> TaskKind:
    """The kind of a task with labels [r]: classification where they are 0 and 1 and both occur.

    >>> kind_of(np.array([0.0, 1.0, np.nan])), kind_of(np.array([1.0, 1.0]))
    ('classification', 'regression')
    """
    values = np.unique(labels[np.isfinite(labels)])
    return "classification" if np.array_equal(values, [0.0, 1.0]) else "regression"
