"""What training needs to know about the molecules: features, targets, folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from gradprobe.encoders.features import Features, IntArray
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray

Fold = Literal["train", "validation", "test"]
TaskKind = Literal["regression", "classification"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Features of n molecules and targets [n, m] of m tasks, NaN where there is no label.

    Targets are standardised: `target * scale + centre` is the label in its own unit, with scale 1 and
    centre 0 for classification. `rows[fold][task]` are the molecules of a fold that carry the task.
    """

    features: Features
    tasks: tuple[str, ...]
    focal: str
    kinds: Mapping[str, TaskKind]
    targets: FloatArray
    centre: FloatArray
    scale: FloatArray
    rows: Mapping[Fold, Mapping[str, IntArray]]

    def __post_init__(self) -> None:
        if self.focal not in self.tasks:
            raise InputError(f"focal: expected one of {list(self.tasks)}, got {self.focal!r}")
        shape = (len(self.features), len(self.tasks))
        if self.targets.shape != shape:
            raise InputError(f"targets: expected shape {shape}, [molecules, tasks], got {self.targets.shape}")
        for fold in ("train", "validation"):
            if not len(self.rows[fold][self.focal]):
                raise InputError(
                    f"rows: expected labels of the focal task {self.focal!r} in the {fold} fold, got none; "
                    "split with another seed or kind"
                )

    def labels(self, task: str, rows: IntArray) -> FloatArray:
        """The labels [r] of a task in its own unit."""
        column = self.tasks.index(task)
        labels: FloatArray = self.targets[rows, column] * self.scale[column] + self.centre[column]
        return labels

    def in_own_unit(self, task: str, outputs: npt.NDArray[np.floating]) -> FloatArray:
        """Predictions [r] from a model's outputs [r]: in the label's unit, or a probability."""
        column = self.tasks.index(task)
        wide: FloatArray = outputs.astype(np.float64)
        if self.kinds[task] == "classification":
            return np.asarray(expit(wide))
        return wide * float(self.scale[column]) + float(self.centre[column])
