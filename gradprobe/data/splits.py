"""Which molecules are for training, validation and test."""

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
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_SIZES = {"train_size": 0.8, "val_size": 0.1, "test_size": 0.1}


@dataclass(frozen=True, eq=False)
class Splits:
    """The molecules for train, validation and test: rows of the table, ascending, each in one split."""

    train: IntArray
    validation: IntArray
    test: IntArray

    def rows(self, name: SplitName) -> IntArray:
        """The rows of one split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def split_molecules(table: MoleculeTable, *, kind: SplitKind, seed: int, focal: str | None = None) -> Splits:
    """Split the molecules of a table 80/10/10.

    Molecules are split, not labels: a test molecule of one task is in no task's train split. A molecule's
    split depends on the molecule, `kind`, `seed` and the file that the table came from, never on which of
    the file's tasks are in the table.

    `random` deals the molecules out by the rarest column of the file in which they have a cell, so that the
    labels of a small task are spread 80/10/10 too. `parent` deals out parents (largest fragment, neutral,
    without stereochemistry), so that salts and stereoisomers of a molecule are in its split. `scaffold`
    keeps molecules of one Bemis-Murcko scaffold (chirality ignored) together, by astartes as chemprop does;
    scaffolds larger than a tenth of the file are always in train, and `seed` shuffles the others. All
    molecules without a ring share the empty scaffold: where they are many, the validation and test splits
    hold rings only.

    A table read with `stratify` deals out each class of that column apart. One read with `split_column` has
    its splits from that column, whatever the seed; molecules it assigns to no split are in train. Where it
    names no validation split, a tenth of its train molecules, drawn by the seed, become the validation split.

    `focal`, where given, is checked to have labels in every split.

    Raises:
        InputError: an unknown kind, too few molecules or scaffolds for three splits, a scaffold split with
            `stratify`, a split without focal labels, or a molecule too large for its scaffold to be computed.
        MissingExtraError: RDKit, or for scaffolds astartes, is not installed.
    """
    if kind not in SPLIT_KINDS:
        raise InputError(f"split: expected one of {', '.join(SPLIT_KINDS)}, got {kind!r}")
    basis = table.split_basis
    dealt = _deal(basis, kind, seed)
    if set(dealt.tolist()) != {0, 1, 2}:
        raise _too_few(len(basis.smiles), kind)
    if basis.smiles is not table.smiles:
        of = dict(zip(basis.smiles, dealt.tolist(), strict=True))
        dealt = np.array([of[text] for text in table.smiles], dtype=np.intp)
    train, validation, test = (np.flatnonzero(dealt == split) for split in range(3))
    splits = Splits(train, validation, test)
    if focal is not None:
        _check_focal(table, splits, focal, kind)
    return splits


def task_rows(table: MoleculeTable, splits: Splits, task: str, split: SplitName) -> IntArray:
    """The molecules of a split that carry a label of a task: rows of the table, ascending.

    Bounds such as `<5` can be learnt from, but a prediction has no error against them: they count in the
    train split only.
    """
    own = table.of(task)
    rows = own.rows if split == "train" else own.rows[own.bounds == EXACT]
    return rows[np.isin(rows, splits.rows(split), assume_unique=True)]


def _deal(basis: SplitBasis, kind: SplitKind, seed: int) -> IntArray:
    """The split [f] of each molecule of the file: 0, 1, 2."""
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
    splits = np.where(assigned < 0, 0, assigned)
    if not (splits == 1).any():
        train = np.flatnonzero(splits == 0)
        dealt = deal([basis.group[train]], seed)
        splits[train[dealt == 1]] = 1
    return splits


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
    dealt = np.zeros(len(smiles), dtype=np.intp)
    for split, rows in enumerate((train, validation, test)):
        dealt[np.asarray(rows, dtype=np.intp)] = split
    return dealt


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
        f"split: a {kind} split of {n} molecules leaves train, validation or test empty; "
        "add molecules" + ("" if kind == "random" else " or split at random")
    )


def _check_focal(table: MoleculeTable, splits: Splits, focal: str, kind: SplitKind) -> None:
    for split in SPLITS:
        if not len(task_rows(table, splits, focal, split)):
            raise InputError(
                f"split: expected labels of the focal task {focal!r} in every split, got none in {split} "
                f"with a {kind} split of its {table.count(focal)} labels; use another seed or kind of split"
            )
