"""What a comparison of encoders and combiners leaves behind: its manifest, its cells, their results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

SINGLE_TASK = "single_task"


class TaskEntry(Record):
    """A task of a study; `n` counts its labelled molecules."""

    name: str
    kind: Literal["regression", "classification"]
    n: int


class CellKey(Key):
    """One run of a comparison. The combiner `single_task` is the focal task trained alone."""

    encoder: str
    combiner: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder; not every file system allows the colon of `torchjd:UPGrad`."""
        return f"{self.encoder}-{self.combiner.replace(':', '.')}-seed{self.seed}"


class StudyManifest(Manifest):
    """The manifest of a comparison: what was asked for, of which table."""

    kind: Literal["compare"] = "compare"
    table: str
    data_digest: str
    molecules: int
    merged: int
    skipped: int
    focal: str
    tasks: tuple[TaskEntry, ...]
    encoders: tuple[str, ...]
    combiners: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[CellKey, ...]

    def joined(self, earlier: Self) -> Self:
        """With what an earlier manifest of the same study holds besides."""
        both = super().joined(earlier)
        update: dict[str, object] = {
            "encoders": tuple(dict.fromkeys([*earlier.encoders, *self.encoders])),
            "combiners": tuple(dict.fromkeys([*earlier.combiners, *self.combiners])),
            "seeds": tuple(sorted({*earlier.seeds, *self.seeds})),
        }
        return both.model_copy(update=update)


class MetricRow(Record):
    """Scores of one task on one fold, in the task's own units; None where undefined."""

    task: str
    split: Literal["validation", "test"]
    n: int
    rae: float | None = None
    mae: float | None = None
    r2: float | None = None
    auroc: float | None = None
    average_precision: float | None = None


class EpochRow(Record):
    """One epoch: mean training loss over tasks, and the focal validation score after it."""

    epoch: int
    step: int
    train_loss: float
    validation: float


class CellMetrics(Result):
    """What a finished cell found; `notes` are the encoder's, such as dropped columns.

    `criterion` is the validation score of `history`: higher is better for `auroc` alone.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "encoder",
        "combiner",
        "seed",
        "task",
        "split",
        "n",
        "rae",
        "mae",
        "r2",
        "auroc",
        "average_precision",
    )
    key: CellKey
    trunk_parameters: int
    epochs: int
    best_epoch: int
    steps: int
    seconds: float
    criterion: Literal["rae", "auroc", "absolute_error"]
    metrics: tuple[MetricRow, ...]
    history: tuple[EpochRow, ...]
    notes: dict[str, object] = Field(default_factory=dict)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The test scores of each task."""
        for row in self.metrics:
            if row.split == "test":
                yield {"cell": self.key.id, **self.key.model_dump(), **row.model_dump()}
