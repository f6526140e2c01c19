"""Molecules to train, validation and test folds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradprobe.data.molecules import shortened, too_large
from gradprobe.data.table import MoleculeTable
from gradprobe.errors import InputError, missing_extra

IntArray = npt.NDArray[np.intp]
SplitKind = Literal["random", "scaffold"]
Fold = Literal["train", "validation", "test"]
_SIZES = {"train_size": 0.8, "val_size": 0.1, "test_size": 0.1}


@dataclass(frozen=True, eq=False)
class Split:
    """The molecules of each fold: rows of the table, ascending, every row in one fold."""

    train: IntArray
    validation: IntArray
    test: IntArray

    def fold(self, name: Fold) -> IntArray:
        """The rows of one fold."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def split_molecules(table: MoleculeTable, *, kind: SplitKind, seed: int, focal: str | None = None) -> Split:
    """Split all molecules of a table 80/10/10, by astartes as chemprop does.

    Molecules are split, not labels: a test molecule of one task is in no task's train fold. The split
    depends on the molecules, their order, `kind` and `seed` alone.

    `random` shuffles molecules. `scaffold` keeps molecules of one Bemis-Murcko scaffold (chirality
    ignored) together; scaffolds larger than a tenth of the table are always in train, and `seed`
    shuffles the others. All molecules without a ring share the empty scaffold: where they are many,
    the validation and test folds hold rings only. Folds of whole scaffolds fall a little short of a
    tenth.

    `focal`, where given, is checked to have labels in every fold.

    Raises:
        InputError: an unknown kind, too few molecules or scaffolds for three folds, a fold without focal
            labels, or a molecule too large for its scaffold to be computed.
        MissingExtraError: astartes, which comes with chemprop, is not installed.
    """
    if kind not in ("random", "scaffold"):
        raise InputError(f"split: expected random or scaffold, got {kind!r}")
    split = _split(table, kind, seed)
    if focal is not None:
        _check_focal(table, split, focal, kind)
    return split


def task_rows(table: MoleculeTable, split: Split, task: str, fold: Fold) -> IntArray:
    """The molecules of a fold that carry a label of a task: rows of the table, ascending."""
    rows = split.fold(fold)
    return rows[np.isfinite(table.column(task)[rows])]


def _split(table: MoleculeTable, kind: SplitKind, seed: int) -> Split:
    try:
        from astartes import train_val_test_split
        from astartes.utils.exceptions import InvalidConfigurationError
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("astartes", "molecules") from error

    if kind == "scaffold":
        _check_sizes(table)
    molecules = np.array(table.smiles) if kind == "scaffold" else np.arange(len(table.smiles))
    with warnings.catch_warnings(), BlockLogs():
        # It warns of inexact sizes and of molecules without a ring, both documented above, and has RDKit
        # parse the SMILES again.
        warnings.simplefilter("ignore")
        try:
            *_, train, validation, test = train_val_test_split(
                molecules, **_SIZES, sampler=kind, random_state=seed, hopts={}, return_indices=True
            )
        except (InvalidConfigurationError, ValueError) as error:
            raise InputError(
                f"split: expected molecules for three folds, got {len(table.smiles)}, with which a {kind} "
                "split leaves a fold empty; add molecules"
                + (" or split at random" if kind == "scaffold" else "")
            ) from error
    return Split(_ascending(train), _ascending(validation), _ascending(test))


def _check_sizes(table: MoleculeTable) -> None:
    """Tables that were read hold no such molecules, but a table can be made by hand."""
    for row, text in enumerate(table.smiles):
        if reason := too_large(text):
            raise InputError(
                f"smiles: expected molecules of ordinary size, got {shortened(text)!r} in row {row} "
                f"({reason}); leave it out or split at random"
            )


def _ascending(rows: Any) -> IntArray:
    return np.sort(np.asarray(rows, dtype=np.intp))


def _check_focal(table: MoleculeTable, split: Split, focal: str, kind: SplitKind) -> None:
    folds: tuple[Fold, ...] = ("train", "validation", "test")
    for fold in folds:
        if not len(task_rows(table, split, focal, fold)):
            raise InputError(
                f"split: expected labels of the focal task {focal!r} in every fold, got none in {fold} with "
                f"a {kind} split of its {table.count(focal)} labels; use another seed or kind of split"
            )
