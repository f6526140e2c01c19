"""What training needs to know about the molecules: features, targets, splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from gradprobe.data import MoleculeTable, SplitName, Splits, TargetScaling, TaskKind, TaskLabels, task_rows
from gradprobe.encoders.features import Features, IntArray
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Features of n molecules and the targets of m tasks, kept for the molecules that have a label.

    Targets are on the scale that `scaling` takes labels to; some may be bounds, `<5` or `>100`, which
    only training uses (`TaskLosses`). `rows[split][task]` are the molecules of a split that have a label of
    the task.

    Raises:
        InputError: the focal task is no task or has no label in its train or validation split, or the
            targets do not fit the features and tasks.
    """

    features: Features
    tasks: tuple[str, ...]
    focal: str
    kinds: Mapping[str, TaskKind]
    targets: Mapping[str, TaskLabels]
    scaling: TargetScaling
    rows: Mapping[SplitName, Mapping[str, IntArray]]

    def __post_init__(self) -> None:
        if self.focal not in self.tasks:
            raise InputError(f"focal: expected one of {list(self.tasks)}, got {self.focal!r}")
        if tuple(self.targets) != self.tasks:
            raise InputError(
                f"targets: expected those of {list(self.tasks)}, got those of {list(self.targets)}"
            )
        for task, own in self.targets.items():
            if len(own.rows) and own.rows[-1] >= len(self.features):
                raise InputError(
                    f"targets: expected rows below the {len(self.features)} of the features, got row "
                    f"{own.rows[-1]} of {task!r}"
                )
        needed: tuple[SplitName, ...] = ("train", "validation")
        for split in needed:
            if not len(self.rows[split][self.focal]):
                raise InputError(
                    f"rows: expected labels of the focal task {self.focal!r} in the {split} split, got none; "
                    "split with another seed or kind"
                )

    @classmethod
    def from_table(
        cls, table: MoleculeTable, splits: Splits, *, features: Features, focal: str
    ) -> TrainingData:
        """The tasks of a table, each standardised on its own train split.

        Row i of the features is molecule i of the table. Fit the features on `splits.train` before an
        encoder is built for them.

        Raises:
            InputError: see the class; also a task without two different labels in its train split.
        """
        scaling = TargetScaling.fit(table, splits)
        names: tuple[SplitName, ...] = get_args(SplitName)
        return cls(
            features=features,
            tasks=table.tasks,
            focal=focal,
            kinds=table.kinds,
            targets={
                task: own.mapped(scaling.scale(own.values, task)) for task, own in table.labelled.items()
            },
            scaling=scaling,
            rows={
                name: {task: task_rows(table, splits, task, name) for task in table.tasks} for name in names
            },
        )

    def focal_alone(self) -> TrainingData:
        """The same molecules and splits with the focal task only: the single-task baseline."""
        return self.select((self.focal,))

    def select(self, tasks: Sequence[str]) -> TrainingData:
        """The same molecules and splits with some of the tasks, the focal one among them, in their order."""
        return replace(
            self,
            tasks=tuple(tasks),
            kinds={task: self.kinds[task] for task in tasks},
            targets={task: self.targets[task] for task in tasks},
            scaling=self.scaling.select(tuple(tasks)),
            rows={split: {task: rows[task] for task in tasks} for split, rows in self.rows.items()},
        )

    def labels(self, task: str, rows: IntArray) -> FloatArray:
        """The labels [r] of a task for some molecules, in its own unit."""
        return self.scaling.unscale(self.targets[task].at(rows)[0], task)

    def predictions(self, task: str, outputs: npt.NDArray[np.floating]) -> FloatArray:
        """Predictions [r] from a model's outputs [r]: in the label's unit, or a probability."""
        wide = outputs.astype(np.float64)
        if self.kinds[task] == "classification":
            return np.asarray(expit(wide))
        return self.scaling.unscale(wide, task)
