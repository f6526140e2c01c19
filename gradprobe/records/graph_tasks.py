"""What a study of combiners on tasks of whole graphs leaves behind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result


class GraphTasksKey(Key):
    """One run: a combiner by its name in `gradprobe.combiners`, a seed."""

    combiner: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        return f"{self.combiner.replace(':', '.')}-seed{self.seed}"


class TaskScores(Record):
    """A task on the test graphs: how many have it, the share of ones, accuracy, AUROC (None if undefined)."""

    task: str
    n: int
    ones: float
    accuracy: float
    auroc: float | None


class GraphTasksRun(Result):
    """One run, scored at the epoch of the lowest mean validation loss.

    `loss` is the mean over tasks of the test losses; `energy` the conflict energy per pair of tasks (27) of
    the trunk's gradients on all training graphs, at the start and at the end of training.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "combiner",
        "seed",
        "task",
        "n",
        "ones",
        "accuracy",
        "auroc",
        "loss",
        "best_epoch",
    )
    key: GraphTasksKey
    scores: tuple[TaskScores, ...]
    loss: float
    best_epoch: int
    validation: tuple[float, ...]
    energy: tuple[float | None, float | None]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Mean over tasks."""
        return float(np.mean([score.accuracy for score in self.scores]))

    @property
    def auroc(self) -> float:
        """Mean over the tasks where it is defined; NaN where it is for none."""
        defined = [score.auroc for score in self.scores if score.auroc is not None]
        return float(np.mean(defined)) if defined else math.nan

    def rows(self) -> Iterator[dict[str, Any]]:
        """The test scores of each task; `loss` is that of the run."""
        for scores in self.scores:
            more = {"loss": self.loss, "best_epoch": self.best_epoch}
            yield {"cell": self.key.id, **self.key.model_dump(), **scores.model_dump(), **more}


class GraphTasksManifest(Manifest):
    """The manifest of a study of combiners on tasks of whole graphs; `graphs` names their set."""

    kind: Literal["graph_tasks"] = "graph_tasks"
    graphs: str
    cells: tuple[GraphTasksKey, ...]
