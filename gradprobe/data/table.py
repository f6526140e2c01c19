"""A table of molecules: distinct canonical SMILES, and a label or none for each task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from gradprobe.data.columns.decision import ColumnDecision
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.data.task_labels import IntArray, TaskLabels
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

TaskKind = Literal["regression", "classification"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class SkippedRow:
    """A row left out because its SMILES cannot be read.

    `row` counts the rows of data from 1: neither the header nor blank lines count.
    """

    row: int
    smiles: str
    reason: str
    file: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a task's labels come from, and their unit."""

    unit: str
    source: str


@dataclass(frozen=True)
class Repeats:
    """What merging the rows of repeated molecules did to one task's labels.

    `molecules` had several labels of the task; `spread` is the median difference between the largest and the
    smallest of each (0 for classes); `threefold` of the molecules have labels that differ more than
    threefold (None where labels may be logarithms: some are zero or negative); `left_out` of the molecules
    lost their label because the rows contradict each other.
    """

    molecules: int
    spread: float = 0.0
    threefold: int | None = None
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class SplitBasis:
    """What a split depends on, whatever tasks are chosen: the molecules of the file and what they carry.

    `group` [f] numbers, for each molecule, the rarest column of the file in which it has a cell; a split
    deals each group out to the splits, so that small tasks get their share of each. `assigned` [f] is the
    split that a column of the file names (0 train, 1 validation, 2 test, -1 none), `strata` [f] the class of
    the column to stratify by; both are None where no such column was named.
    """

    smiles: tuple[str, ...]
    group: IntArray
    assigned: IntArray | None = None
    strata: IntArray | None = None


@dataclass(frozen=True, eq=False)
class MoleculeTable:
    """The labels of n distinct molecules for m tasks, kept for the molecules that have one.

    Molecules stand in the order in which they first appeared and have at least one label each.
    `kinds` says whether a task is regression or binary classification (labels 0 and 1). `merged`
    counts the rows that repeated a molecule already read; `conflicts` counts, per task, the
    classification labels left out because repeats of a molecule disagreed. `censored` counts, per task, the
    bounds such as `<5` among its labels as they were read, whatever was made of them. `origins` are the units
    and sources that are known. `decisions` and `notes` say how a file was read. `basis` is what splits
    depend on; without one they depend on these molecules.
    """

    smiles: tuple[str, ...]
    labelled: Mapping[str, TaskLabels]
    kinds: Mapping[str, TaskKind]
    skipped: tuple[SkippedRow, ...] = ()
    merged: int = 0
    conflicts: Mapping[str, int] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    repeats: Mapping[str, Repeats] = field(default_factory=dict)
    censored: Mapping[str, int] = field(default_factory=dict)
    decisions: tuple[ColumnDecision, ...] = ()
    notes: tuple[str, ...] = ()
    basis: SplitBasis | None = None

    @classmethod
    def from_dense(
        cls,
        smiles: Sequence[str],
        tasks: Sequence[str],
        labels: FloatArray,
        kinds: Mapping[str, TaskKind],
        **known: object,
    ) -> MoleculeTable:
        """From labels [n, m], NaN where missing.

        Raises:
            InputError: labels of another shape, repeated molecules or tasks.
        """
        expected = (len(smiles), len(tasks))
        if labels.shape != expected:
            raise InputError(f"labels: expected shape {expected} (molecules, tasks), got {labels.shape}")
        if len(set(tasks)) != len(tasks):
            raise InputError(f"tasks: expected distinct names, got {listed(tasks)}")
        columns = {task: TaskLabels.from_dense(labels[:, place]) for place, task in enumerate(tasks)}
        return cls(tuple(smiles), columns, kinds, **known)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if len(set(self.smiles)) != len(self.smiles):
            raise InputError("smiles: expected distinct molecules, got repeats; merge them first")
        if set(self.kinds) != set(self.labelled):
            raise InputError(
                f"kinds: expected those of {listed(self.tasks)}, got those of {listed(list(self.kinds))}"
            )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks in their order."""
        return tuple(self.labelled)

    @property
    def labels(self) -> FloatArray:
        """All labels [n, m], NaN where missing, bounds among them: a matrix made anew at each call."""
        columns = [own.dense(len(self.smiles)) for own in self.labelled.values()]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.smiles), 0))

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the molecules, tasks, kinds, labels and what splits depend on."""
        head = {"smiles": self.smiles, "tasks": [[task, self.kinds[task]] for task in self.tasks]}
        content = hashlib.sha256(json.dumps(head).encode() + b"\n")
        for own in self.labelled.values():
            content.update(own.rows.astype("<i8").tobytes() + own.values.astype("<f8").tobytes())
            content.update(own.bounds.tobytes() + b"\n")
        basis = self.split_basis
        content.update(json.dumps(basis.smiles).encode() + basis.group.astype("<i8").tobytes())
        for column in (basis.assigned, basis.strata):
            content.update(b"-" if column is None else column.astype("<i8").tobytes())
        return content.hexdigest()

    def column(self, task: str) -> FloatArray:
        """The labels [n] of one task, NaN where missing.

        Raises:
            InputError: there is no such task.
        """
        return self.of(task).dense(len(self.smiles))

    def of(self, task: str) -> TaskLabels:
        """The labels of one task.

        Raises:
            InputError: there is no such task.
        """
        self._check_known(task)
        return self.labelled[task]

    def count(self, task: str) -> int:
        """The number of measured labels of one task, bounds not among them.

        Raises:
            InputError: there is no such task.
        """
        return len(self.of(task).exact)

    def select(self, tasks: Sequence[str]) -> MoleculeTable:
        """The table of the named tasks in the order given, less molecules that none of them labels.

        What splits depend on stays: a molecule is in the same split whatever tasks are chosen.

        Raises:
            InputError: there is no such task.
        """
        for task in tasks:
            self._check_known(task)
        chosen = {task: self.labelled[task] for task in tasks}
        carried = np.zeros(len(self.smiles), dtype=np.bool_)
        for own in chosen.values():
            carried[own.rows] = True
        kept = np.flatnonzero(carried)
        return replace(
            self,
            smiles=tuple(self.smiles[row] for row in kept),
            labelled={task: own.among(kept) for task, own in chosen.items()},
            kinds={task: self.kinds[task] for task in tasks},
            conflicts=_of_tasks(self.conflicts, tasks),
            origins=_of_tasks(self.origins, tasks),
            repeats=_of_tasks(self.repeats, tasks),
            censored=_of_tasks(self.censored, tasks),
            basis=self.split_basis,
        )

    @property
    def split_basis(self) -> SplitBasis:
        """What splits of this table depend on: the file it came from, or else the table itself."""
        if self.basis is not None:
            return self.basis
        return SplitBasis(
            self.smiles, rarest_groups(len(self.smiles), [own.rows for own in self.labelled.values()])
        )

    def _check_known(self, task: str) -> None:
        if task not in self.labelled:
            raise InputError(
                f"task: expected one of {listed(self.tasks)}, got {task!r}{did_you_mean(task, self.tasks)}"
            )


def rarest_groups(n: int, carried: Sequence[IntArray]) -> IntArray:
    """The group [n] of each molecule: the rarest of the columns in which it has a cell, from 0.

    `carried` holds the molecules of each column; molecules without any form the last group.
    """
    group = np.full(n, len(carried), dtype=np.intp)
    by_count = sorted(range(len(carried)), key=lambda place: (len(carried[place]), place))
    for order, place in reversed(list(enumerate(by_count))):
        group[carried[place]] = order
    return group


def _of_tasks(values: Mapping[str, _T], tasks: Sequence[str]) -> dict[str, _T]:
    return {task: value for task, value in values.items() if task in tasks}
