"""The audit of a table as plain values, for terminal, JSON and report alike."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gradprobe.data.splits import SplitKind
from gradprobe.data.table import TaskKind

# The name of the audit in the folder of a study.
AUDIT = "audit.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnAudit(_Frozen):
    """One column of the file and what became of it, in words."""

    column: str
    used: bool
    decision: str


class SplitCounts(_Frozen):
    """The measured labels of a task in a split; `positives` of a classification."""

    labels: int
    positives: int | None = None


class TaskAudit(_Frozen):
    """What a table holds of one task.

    `bounds` counts labels such as `<5` in the file, `repeated` molecules with several labels,
    `contradicting` those of them that lost their label, `spread` the median difference between their labels
    and `threefold` those whose labels differ more than threefold. `outliers` lie more than three widths of
    the middle half beyond it. `correlation` is Pearson's with the focal task on `shared` molecules, None
    with fewer than ten.
    """

    task: str
    kind: TaskKind
    unit: str
    labels: int
    positives: int | None
    minimum: float | None
    median: float | None
    maximum: float | None
    outliers: int
    bounds: int
    repeated: int
    contradicting: int
    spread: float
    threefold: int | None
    train: SplitCounts
    validation: SplitCounts
    test: SplitCounts
    shared: int | None = None
    correlation: float | None = None


class Audit(_Frozen):
    """A table before anything is trained.

    `parents_in_train` counts test molecules of which a salt, charge or stereoisomer is in the train split
    (None: not computed), for the split of kind `split` and seed `seed`. `cost` says what a study would
    take, where that was estimated.
    """

    table: str
    molecules: int
    merged: int
    skipped: int
    first_skipped: str
    notes: tuple[str, ...]
    standardize: str
    duplicates: str
    censored: str
    focal: str
    split: SplitKind
    seed: int
    test_molecules: int
    parents_in_train: int | None
    columns: tuple[ColumnAudit, ...]
    tasks: tuple[TaskAudit, ...]
    warnings: tuple[str, ...]
    cost: tuple[str, ...] = ()
