"""Summaries of tasks as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.data.catalog import TaskSummary
from gradprobe.data.table import MoleculeTable

_HEAD = ("task", "kind", "n", "mean", "std", "min", "max", "unit", "source")


def as_text(summaries: Sequence[TaskSummary]) -> str:
    """Summaries [m] as aligned lines with a header; numbers to four digits.

    >>> print(as_text([TaskSummary("bp", "regression", 2, 300.0, 10.0, 290.0, 310.0, "K", "a book")]))
    task  kind        n  mean  std  min  max  unit  source
    bp    regression  2   300   10  290  310  K     a book
    """
    rows = [_HEAD, *(_cells(summary) for summary in summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def left_out(table: MoleculeTable) -> list[str]:
    """A line for every column that is left out or was converted, and one for rows that cannot be read."""
    lines = [
        f"{decision.column}: {decision.sentence()}"
        for decision in table.decisions
        if decision.sentence() not in ("task", "SMILES")
    ]
    if table.skipped:
        first = table.skipped[0]
        lines.append(
            f"{'1 row' if len(table.skipped) == 1 else f'{len(table.skipped)} rows'} left out without a "
            f"readable SMILES, first row {first.row}, {first.smiles[:60]!r}: {first.reason}"
        )
    return [*table.notes, *lines]


def _cells(summary: TaskSummary) -> tuple[str, ...]:
    numbers = (summary.mean, summary.std, summary.min, summary.max)
    return (
        summary.task,
        summary.kind,
        str(summary.n),
        *(f"{number:.4g}" for number in numbers),
        summary.unit,
        summary.source,
    )
