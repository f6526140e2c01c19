"""Molecules to train, validation and test folds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from gradprobe.data.dealing import deal
from gradprobe.data.molecules import shortened, too_large
from gradprobe.data.standardize import parent_keys
from gradprobe.data.table import MoleculeTable, SplitBasis
from gradprobe.data.task_labels import EXACT, IntArray
from gradprobe.errors import InputError, missing_extra

SplitKind = Literal["random", "scaffold", "parent"]
SPLIT_KINDS: tuple[SplitKind, ...] = ("random", "scaffold", "parent")
Fold = Literal["train", "validation", "test"]
FOLDS: tuple[Fold, ...] = ("train", "validation", "test")
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
    """Split the molecules of a table 80/10/10.

    Molecules are split, not labels: a test molecule of one task is in no task's train fold. A molecule's
    fold depends on the molecule, `kind`, `seed` and the file that the table came from, never on which of
    the file's tasks are in the table.

    `random` deals the molecules out by the rarest column of the file in which they have a cell, so that the
    labels of a small task are spread 80/10/10 too. `parent` deals out parents (largest fragment, neutral,
    without stereochemistry), so that salts and stereoisomers of a molecule are in its fold. `scaffold`
    keeps molecules of one Bemis-Murcko scaffold (chirality ignored) together, by astartes as chemprop does;
    scaffolds larger than a tenth of the file are always in train, and `seed` shuffles the others. All
    molecules without a ring share the empty scaffold: where they are many, the validation and test folds
    hold rings only.

    A table read with `stratify` deals out each class of that column apart. One read with `split_column` has
    its folds from that column, whatever the seed; molecules it assigns to no fold are in train. Where it
    names no validation fold, a tenth of its train molecules, drawn by the seed, are it.

    `focal`, where given, is checked to have labels in every fold.

    Raises:
        InputError: an unknown kind, too few molecules or scaffolds for three folds, a scaffold split with
            `stratify`, a fold without focal labels, or a molecule too large for its scaffold to be computed.
        MissingExtraError: RDKit, or for scaffolds astartes, is not installed.
    """
    if kind not in SPLIT_KINDS:
        raise InputError(f"split: expected one of {', '.join(SPLIT_KINDS)}, got {kind!r}")
    basis = table.split_basis
    folds = _folds(basis, kind, seed)
    if set(folds.tolist()) != {0, 1, 2}:
        raise _too_few(len(basis.smiles), kind)
    if basis.smiles is not table.smiles:
        of = dict(zip(basis.smiles, folds.tolist(), strict=True))
        folds = np.array([of[text] for text in table.smiles], dtype=np.intp)
    train, validation, test = (np.flatnonzero(folds == fold) for fold in range(3))
    split = Split(train, validation, test)
    if focal is not None:
        _check_focal(table, split, focal, kind)
    return split


def task_rows(table: MoleculeTable, split: Split, task: str, fold: Fold) -> IntArray:
    """The molecules of a fold that carry a label of a task: rows of the table, ascending.

    Bounds such as `<5` can be learnt from, but a prediction has no error against them: they count in the
    train fold only.
    """
    own = table.of(task)
    rows = own.rows if fold == "train" else own.rows[own.bounds == EXACT]
    return rows[np.isin(rows, split.fold(fold), assume_unique=True)]


def _folds(basis: SplitBasis, kind: SplitKind, seed: int) -> IntArray:
    """The fold [f] of each molecule of the file: 0, 1, 2."""
    if basis.assigned is not None:
        return _assigned(basis, basis.assigned, seed)
    if kind == "scaffold":
        if basis.strata is not None:
            raise InputError(
                "stratify: expected a random or parent split, got scaffold; leave one of them out"
            )
        return _scaffold(basis.smiles, seed)
    strata = np.zeros(len(basis.smiles), dtype=np.intp) if basis.strata is None else basis.strata
    if kind == "random":
        return deal([strata, basis.group], seed)
    units = _parent_units(basis.smiles)
    # A parent goes where its rarest molecule goes: the highest stratum, the rarest column.
    size = int(units.max()) + 1
    stratum, group = np.zeros(size, dtype=np.intp), np.full(size, np.iinfo(np.intp).max)
    np.maximum.at(stratum, units, strata)
    np.minimum.at(group, units, basis.group)
    return deal([stratum, group], seed)[units]


def _assigned(basis: SplitBasis, assigned: IntArray, seed: int) -> IntArray:
    folds = np.where(assigned < 0, 0, assigned)
    if not (folds == 1).any():
        train = np.flatnonzero(folds == 0)
        dealt = deal([basis.group[train]], seed)
        folds[train[dealt == 1]] = 1
    return folds


@lru_cache(maxsize=4)
def _parent_units(smiles: tuple[str, ...]) -> IntArray:
    """The number [f] of each molecule's parent; computed once for all seeds."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in parent_keys(smiles)], dtype=np.intp)


def _scaffold(smiles: tuple[str, ...], seed: int) -> IntArray:
    try:
        from astartes import train_val_test_split
        from astartes.utils.exceptions import InvalidConfigurationError
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("astartes", "molecules") from error

    _check_sizes(smiles)
    molecules = np.array([text.split(" ")[0] for text in smiles])
    with warnings.catch_warnings(), BlockLogs():
        # It warns of inexact sizes and of molecules without a ring, both documented above, and has RDKit
        # parse the SMILES again.
        warnings.simplefilter("ignore")
        try:
            *_, train, validation, test = train_val_test_split(
                molecules, **_SIZES, sampler="scaffold", random_state=seed, hopts={}, return_indices=True
            )
        except (InvalidConfigurationError, ValueError) as error:
            raise _too_few(len(smiles), "scaffold") from error
    folds = np.zeros(len(smiles), dtype=np.intp)
    for fold, rows in enumerate((train, validation, test)):
        folds[np.asarray(rows, dtype=np.intp)] = fold
    return folds


def _check_sizes(smiles: tuple[str, ...]) -> None:
    """Tables that were read hold no such molecules, but a table can be made by hand."""
    for row, text in enumerate(smiles):
        if reason := too_large(text):
            raise InputError(
                f"smiles: expected molecules of ordinary size, got {shortened(text)!r} in row {row} "
                f"({reason}); leave it out or split at random"
            )


def _too_few(n: int, kind: SplitKind) -> InputError:
    return InputError(
        f"split: expected molecules for three folds, got {n}, with which a {kind} split leaves a fold empty; "
        "add molecules" + ("" if kind == "random" else " or split at random")
    )


def _check_focal(table: MoleculeTable, split: Split, focal: str, kind: SplitKind) -> None:
    for fold in FOLDS:
        if not len(task_rows(table, split, focal, fold)):
            raise InputError(
                f"split: expected labels of the focal task {focal!r} in every fold, got none in {fold} with "
                f"a {kind} split of its {table.count(focal)} labels; use another seed or kind of split"
            )
