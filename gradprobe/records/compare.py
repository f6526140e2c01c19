"""What the folder of a study holds: one definition for those who write it and those who read it.

study.json                  StudyManifest
cells/<id>/cell.json        CellKey
cells/<id>/progress.json    CellProgress, rewritten while the cell runs
cells/<id>/trace/           the cell's trace (none for a single task)
cells/<id>/metrics.json     CellMetrics, once the cell has finished
cells/<id>/failed.json      CellFailure, if it could not
results.csv                 one row a cell, task and test fold
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError

from gradprobe.errors import InputError
from gradprobe.records.record import Record
from gradprobe.records.writing import write_atomically

FORMAT: Final = "gradprobe study"
SCHEMA_VERSION = 1
SINGLE_TASK = "single_task"

_Model = TypeVar("_Model", bound=BaseModel)


class TaskEntry(Record):
    """A task of a study; `n` counts its labelled molecules."""

    name: str
    kind: Literal["regression", "classification"]
    n: int


class CellKey(Record):
    """One run of a study. The combiner `single_task` is the focal task trained alone."""

    encoder: str
    combiner: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder; not every file system allows the colon of `torchjd:UPGrad`."""
        return f"{self.encoder}-{self.combiner.replace(':', '.')}-seed{self.seed}"


class StudyManifest(Record):
    """What was asked for, of which data; `digest` identifies both."""

    format: Literal["gradprobe study"] = FORMAT
    schema_version: int = SCHEMA_VERSION
    digest: str
    command: str
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
    options: dict[str, object]
    versions: dict[str, str]
    created: str
    cells: tuple[CellKey, ...]


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


class CellMetrics(Record):
    """What a finished cell found; `notes` are the encoder's, such as dropped columns.

    `criterion` is the validation score of `history`: higher is better for `auroc` alone.
    """

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


class CellFailure(Record):
    """Why a cell did not finish."""

    key: CellKey
    error: str


class CellProgress(Record):
    """How far a running cell has come; `loss` is the last step's."""

    key: CellKey
    epoch: int
    epochs: int
    step: int
    loss: float | None = None


class StudyFolder(Record):
    """The paths of a study's folder."""

    path: Path

    @property
    def manifest(self) -> Path:
        """study.json."""
        return self.path / "study.json"

    @property
    def results(self) -> Path:
        """results.csv."""
        return self.path / "results.csv"

    def cell(self, key: CellKey) -> Path:
        """The folder of one cell."""
        return self.path / "cells" / key.id

    def trace(self, key: CellKey) -> Path:
        """The folder of a cell's trace."""
        return self.cell(key) / "trace"

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """The folder at `path`, whether or not a study is there."""
        return cls(path=Path(path))


def read_manifest(path: str | Path) -> StudyManifest:
    """The manifest of the study in a folder.

    Raises:
        InputError: there is none, or it is damaged, foreign or from a later version.
    """
    source = StudyFolder.at(path).manifest
    if not source.is_file():
        raise InputError(f"path: expected the folder of a study with a study.json, got {path}")
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        version = content.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise InputError(
                f"{source}: expected schema version {SCHEMA_VERSION} or earlier, got {version}; "
                "a later gradprobe wrote this study, upgrade to read it"
            )
        return StudyManifest.model_validate(content)
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, AttributeError) as error:
        raise InputError(
            f"{source}: expected the description of a gradprobe study, got another file"
        ) from error


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON; a reader sees the old file or the new one, never half of one."""
    write_atomically(path, (record.model_dump_json(indent=1) + "\n").encode())


def read_record(path: Path, kind: type[_Model]) -> _Model | None:
    """The record in a file; None where the file is absent or damaged, which a later run makes good."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
