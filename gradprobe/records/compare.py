"""What a comparison of encoders and combiners leaves behind: its manifest, its cells, their results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from gradprobe.records.claims import Claim
from gradprobe.records.compare_keys import AUXILIARIES, SINGLE_TASK, CellKey, Point, Scalar
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

__all__ = [
    "AUXILIARIES",
    "SINGLE_TASK",
    "CellKey",
    "CellMetrics",
    "EpochRow",
    "Kinship",
    "MetricRow",
    "Point",
    "Scalar",
    "StudyManifest",
    "TaskEntry",
]


class TaskEntry(Record):
    """A task of a study; `n` counts its labelled molecules."""

    name: str
    kind: Literal["regression", "classification"]
    n: int


class Kinship(Record):
    """What an auxiliary has in common with the focal task.

    `shared` counts the molecules with labels of both, `correlation` is Spearman's over them: None where they
    are too few or all alike.
    """

    task: str
    labels: int
    shared: int
    correlation: float | None = None


class StudyManifest(Manifest):
    """The manifest of a comparison: what was asked for, of which table.

    `axes` are the options that vary, with all values that were ever asked for; `base` are the study's own
    values of them. `tasks` names the focal task first, then auxiliaries in the order in which the axis
    `auxiliaries` counts them; `kinships`, where that varies, is what each has in common with it.
    `claims` are those of the presets that were asked for.
    """

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
    axes: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    base: dict[str, Scalar] = Field(default_factory=dict)
    kinships: tuple[Kinship, ...] = ()
    claims: tuple[Claim, ...] = ()
    cells: tuple[CellKey, ...]

    def settings(self, key: CellKey) -> dict[str, Scalar]:
        """The value of every axis in a cell; the focal task alone has no auxiliaries."""
        known = {**self.base, **dict(key.axes)}
        if AUXILIARIES in known and key.combiner == SINGLE_TASK:
            known[AUXILIARIES] = 0
        return known

    def settings_of(self, key: Key) -> dict[str, Any]:
        """The columns of the axes in results.csv."""
        assert isinstance(key, CellKey)
        return self.settings(key)

    def joined(self, earlier: Self) -> Self:
        """With what an earlier manifest of the same study holds besides."""
        both = super().joined(earlier)
        renewed = {claim.preset for claim in self.claims}
        update: dict[str, object] = {
            "encoders": tuple(dict.fromkeys([*earlier.encoders, *self.encoders])),
            "combiners": tuple(dict.fromkeys([*earlier.combiners, *self.combiners])),
            "seeds": tuple(sorted({*earlier.seeds, *self.seeds})),
            "axes": {
                name: tuple(dict.fromkeys([*earlier.axes.get(name, ()), *self.axes.get(name, ())]))
                for name in (*earlier.axes, *self.axes)
            },
            "base": {**earlier.base, **self.base},
            "kinships": self.kinships or earlier.kinships,
            # Asked again, a preset replaces its own claims.
            "claims": (
                *(claim for claim in earlier.claims if claim.preset not in renewed),
                *self.claims,
            ),
        }
        return both.model_copy(update=update)


class MetricRow(Record):
    """Scores of one task on one fold, in the task's own units; None where undefined.

    `mean_rae` and `median_rae` are the RAE of predicting the mean and the median of the train labels.
    `undefined` says why there is no RAE or AUROC. Older versions recorded none of the last five.
    """

    task: str
    split: Literal["validation", "test"]
    n: int
    rae: float | None = None
    mae: float | None = None
    r2: float | None = None
    auroc: float | None = None
    average_precision: float | None = None
    rmse: float | None = None
    spearman: float | None = None
    mean_rae: float | None = None
    median_rae: float | None = None
    undefined: str = ""


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
        "rmse",
        "spearman",
        "mean_rae",
        "median_rae",
        "undefined",
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
                yield {"cell": self.key.id, **self.key.model_dump(exclude={"axes"}), **row.model_dump()}
