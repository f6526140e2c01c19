"""An audit as plain text for a terminal, in ASCII apart from the table's own names."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.data.audit.model import Audit, SplitCounts, TaskAudit

_HEAD = (
    "task",
    "kind",
    "unit",
    "labels",
    "min",
    "median",
    "max",
    "train",
    "valid",
    "test",
    "r focal",
    "remarks",
)
_NUMBERS = range(3, 11)
_MOST_TASKS = 40
_WIDEST = 32


def audit_as_text(audit: Audit) -> str:
    """The whole audit: the table, its columns, its tasks, warnings, cost."""
    lines = [*_overview(audit), "", "Columns", *(_column_lines(audit)), "", "Tasks", *_task_lines(audit)]
    if audit.warnings:
        lines += ["", "Check", *(f"  {warning}" for warning in audit.warnings)]
    if audit.cost:
        lines += ["", "Cost, estimated", *(f"  {line}" for line in audit.cost)]
    return "\n".join(lines)


def audit_in_brief(audit: Audit) -> list[str]:
    """What a study must say before it starts: a line for the table, one for each decision and warning."""
    left_out = [f"{column.column}: {column.decision}" for column in audit.columns if not column.used]
    converted = [
        f"{column.column}: {column.decision}"
        for column in audit.columns
        if column.used and ":" in column.decision
    ]
    return [
        *_overview(audit),
        *converted,
        *left_out,
        *(f"check: {warning}" for warning in audit.warnings),
        *audit.cost,
    ]


def _overview(audit: Audit) -> list[str]:
    lines = [
        f"{audit.table or 'table'}: {audit.molecules} molecules, {len(audit.tasks)} tasks; {audit.merged} "
        f"rows repeated a molecule (--duplicates {audit.duplicates}, --standardize {audit.standardize})"
    ]
    if audit.skipped:
        rows = "1 row" if audit.skipped == 1 else f"{audit.skipped} rows"
        lines.append(f"{rows} left out without a readable SMILES, first {audit.first_skipped}")
    lines += list(audit.notes)
    shared = (
        ""
        if audit.parents_in_train is None
        else (f", {audit.parents_in_train} of them with a salt or stereoisomer in train")
    )
    lines.append(f"split: {audit.split}, seed {audit.seed}; {audit.test_molecules} test molecules{shared}")
    return lines


def _column_lines(audit: Audit) -> list[str]:
    width = max((min(len(column.column), _WIDEST) for column in audit.columns), default=0)
    return [f"  {column.column[:_WIDEST].ljust(width)}  {column.decision}" for column in audit.columns]


def _task_lines(audit: Audit) -> list[str]:
    shown = audit.tasks[:_MOST_TASKS]
    rows = [_HEAD, *(_cells(task, audit.focal) for task in shown)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ["  " + _aligned(row, widths) for row in rows]
    more = len(audit.tasks) - len(shown)
    return [*lines, f"  and {more} more; --json lists all"] if more else lines


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()


def _cells(task: TaskAudit, focal: str) -> tuple[str, ...]:
    return (
        task.task[:_WIDEST],
        "class" if task.kind == "classification" else "number",
        task.unit[:12],
        str(task.labels) if task.positives is None else f"{task.labels} ({task.positives} pos)",
        *(_number(value) for value in (task.minimum, task.median, task.maximum)),
        *(_counts(split) for split in (task.train, task.validation, task.test)),
        "focal" if task.task == focal else _number(task.correlation, 2),
        _remarks(task),
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _counts(split: SplitCounts) -> str:
    return str(split.labels) if split.positives is None else f"{split.labels} ({split.positives} pos)"


def _remarks(task: TaskAudit) -> str:
    said = []
    if task.bounds:
        said.append(f"{task.bounds} bounds")
    if task.repeated:
        said.append(
            f"{task.repeated} repeated" + (f", median spread {task.spread:.3g}" if task.spread else "")
        )
    if task.threefold:
        said.append(f"{task.threefold} differ threefold")
    if task.contradicting:
        said.append(f"{task.contradicting} contradict")
    if task.outliers:
        said.append(f"{task.outliers} outliers")
    return "; ".join(said)
