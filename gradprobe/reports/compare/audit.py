"""The first section of a comparison's report: the table, its columns, its tasks, and what to check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradprobe.data.audit import AUDIT, Audit, SplitCounts, TaskAudit
from gradprobe.errors import InputError
from gradprobe.records.reading import read_bytes
from gradprobe.reports.kit.document import Section, Table, facts
from gradprobe.reports.kit.numbers import number

_MOST_BYTES = 20_000_000
# More rows than this are folded away.
_SHOWN = 40
_TASKS = (
    "task", "kind", "unit", "labels", "range", "train", "validation", "test", "with the focal task",
    "bounds", "repeats", "outliers",
)  # fmt: skip


def read_audit(folder: Path | None) -> Audit | None:
    """The audit in a study's folder; None where there is none that this version can read."""
    if folder is None or not (folder / AUDIT).is_file():
        return None
    try:
        return Audit.model_validate_json(read_bytes(folder / AUDIT, what="an audit", most=_MOST_BYTES))
    except (InputError, ValueError):
        return None


def audit_sections(audit: Audit | None) -> Iterator[Section]:
    """The section on the table of a study; nothing without an audit."""
    if audit is None:
        return
    yield Section(
        title="The table",
        look_for="Look for columns that should have been tasks, for test folds too small to tell models "
        "apart, and for test molecules whose salt or stereoisomer was trained on.",
        tables=(_overview(audit), _tasks(audit), _columns(audit)),
        brief=False,
        remarks=(("Check", "\n".join(f"{warning}." for warning in audit.warnings)),)
        if audit.warnings
        else (),
    )


def _overview(audit: Audit) -> Table:
    shared = (
        ""
        if audit.parents_in_train is None
        else (f", {audit.parents_in_train} of them with a salt or stereoisomer in train")
    )
    skipped = f"{audit.skipped}; first {audit.first_skipped}" if audit.skipped else "none"
    pairs = (
        ("molecules", f"{audit.molecules:,}; {audit.merged:,} rows repeated one"),
        ("rows without a readable SMILES", skipped),
        ("standardisation, repeats, bounds", f"{audit.standardize}, {audit.duplicates}, {audit.censored}"),
        ("split", f"{audit.split}; {audit.test_molecules:,} test molecules with seed {audit.seed}{shared}"),
        *(("reading", note) for note in audit.notes),
    )
    return facts("The table", pairs)


def _tasks(audit: Audit) -> Table:
    return Table(
        title="Tasks",
        columns=_TASKS,
        rows=tuple(_task(task, audit.focal) for task in audit.tasks),
        note=f"Labels of the folds are those of seed {audit.seed}; other seeds deal out other molecules. "
        "A molecule's fold does not depend on which tasks are chosen.",
        names=3,
        folded=len(audit.tasks) > _SHOWN,
    )


def _task(task: TaskAudit, focal: str) -> tuple[str, ...]:
    span = (
        ""
        if task.minimum is None or task.maximum is None
        else f"{number(task.minimum)} to {number(task.maximum)}"
    )
    alike = (
        "focal"
        if task.task == focal
        else ""
        if task.correlation is None
        else number(task.correlation, digits=2)
    )
    repeats = f"{task.repeated}" + (f", {task.contradicting} contradict" if task.contradicting else "")
    return (
        task.task,
        task.kind,
        task.unit,
        _counts(SplitCounts(labels=task.labels, positives=task.positives)),
        span,
        *(_counts(split) for split in (task.train, task.validation, task.test)),
        alike,
        str(task.bounds),
        repeats + (f", {task.threefold} differ threefold" if task.threefold else ""),
        str(task.outliers),
    )


def _counts(split: SplitCounts) -> str:
    return str(split.labels) if split.positives is None else f"{split.labels} ({split.positives} positive)"


def _columns(audit: Audit) -> Table:
    return Table(
        title="Columns",
        columns=("column", "what became of it"),
        rows=tuple((column.column, column.decision) for column in audit.columns),
        names=2,
        folded=len(audit.columns) > _SHOWN,
    )
