"""A table of molecules: distinct canonical SMILES, and a label or none for each task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

TaskKind = Literal["regression", "classification"]


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


@dataclass(frozen=True, eq=False)
class MoleculeTable:
    """Labels [n, m] of n distinct molecules for m tasks; NaN where a label is missing.

    Molecules stand in the order in which they first appeared and have at least one label each.
    `kinds` says whether a task is regression or binary classification (labels 0 and 1). `merged`
    counts the rows that repeated a molecule already read; `conflicts` counts, per task, the
    classification labels left out because repeats of a molecule disagreed. `origins` is known for
    embedded data only.
    """

    smiles: tuple[str, ...]
    tasks: tuple[str, ...]
    labels: FloatArray
    kinds: Mapping[str, TaskKind]
    skipped: tuple[SkippedRow, ...] = ()
    merged: int = 0
    conflicts: Mapping[str, int] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.smiles), len(self.tasks))
        if self.labels.shape != expected:
            raise InputError(f"labels: expected shape {expected} (molecules, tasks), got {self.labels.shape}")
        if len(set(self.smiles)) != len(self.smiles):
            raise InputError("smiles: expected distinct molecules, got repeats; merge them first")
        if len(set(self.tasks)) != len(self.tasks):
            raise InputError(f"tasks: expected distinct names, got {listed(self.tasks)}")
        if set(self.kinds) != set(self.tasks):
            raise InputError(
                f"kinds: expected those of {listed(self.tasks)}, got those of {listed(list(self.kinds))}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the molecules, tasks, kinds and labels in their order."""
        head = {"smiles": self.smiles, "tasks": [[task, self.kinds[task]] for task in self.tasks]}
        # One NaN for all: the bits of a missing label depend on how it was computed.
        labels = np.where(np.isnan(self.labels), np.nan, self.labels).astype("<f8")
        return hashlib.sha256(json.dumps(head).encode() + b"\n" + labels.tobytes()).hexdigest()

    def column(self, task: str) -> FloatArray:
        """The labels [n] of one task, NaN where missing.

        Raises:
            InputError: there is no such task.
        """
        self._check_known(task)
        return self.labels[:, self.tasks.index(task)]

    def count(self, task: str) -> int:
        """The number of labels of one task.

        Raises:
            InputError: there is no such task.
        """
        return int(np.isfinite(self.column(task)).sum())

    def select(self, tasks: Sequence[str]) -> MoleculeTable:
        """The table of the named tasks in the order given, less molecules that none of them labels.

        Raises:
            InputError: there is no such task.
        """
        for task in tasks:
            self._check_known(task)
        labels = self.labels[:, [self.tasks.index(task) for task in tasks]]
        labelled = np.isfinite(labels).any(axis=1)
        return replace(
            self,
            smiles=tuple(np.array(self.smiles, dtype=object)[labelled]),
            tasks=tuple(tasks),
            labels=labels[labelled],
            kinds={task: self.kinds[task] for task in tasks},
            conflicts={task: count for task, count in self.conflicts.items() if task in tasks},
            origins={task: origin for task, origin in self.origins.items() if task in tasks},
        )

    def _check_known(self, task: str) -> None:
        if task not in self.tasks:
            raise InputError(
                f"task: expected one of {listed(self.tasks)}, got {task!r}{did_you_mean(task, self.tasks)}"
            )
