"""Tables of molecules and lists of skipped rows to files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gradprobe.data.table import MoleculeTable
from gradprobe.data.task_labels import ABOVE, BELOW
from gradprobe.errors import InputError

SKIPPED_HEADER = ("file", "row", "smiles", "reason")
_MARKS = {BELOW: "<", ABOVE: ">"}


def write_table(
    table: MoleculeTable, path: str | Path, *, smiles: str = "smiles", inputs: Sequence[str | Path] = ()
) -> None:
    """Write a table as .csv, .csv.gz or .parquet; `read_table` gives the same table again.

    Bounds are written as `<5` and `>5`; a Parquet column with bounds is text.

    Raises:
        InputError: another ending, one of the `inputs` that the table was made from, a task named like the
            column of SMILES, or a place that cannot be written to.
    """
    path = Path(path)
    if smiles in table.tasks:
        raise InputError(f"smiles: expected a column name that is no task, got {smiles!r}; choose another")
    check_not_input(path, inputs)
    name = path.name.lower()
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise InputError(f"path: expected a name that ends in .csv, .csv.gz or .parquet, got {path}")
    frame = pd.DataFrame({task: _cells(table, task) for task in table.tasks})
    frame.insert(0, smiles, list(table.smiles))
    try:
        if name.endswith(".parquet"):
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"path: expected a place to write to, got {path} ({error.strerror})") from error


def write_skipped(table: MoleculeTable, path: str | Path) -> None:
    """Write the rows whose SMILES could not be read as CSV: `file,row,smiles,reason`.

    Rows of data count from 1, without the header and blank lines.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SKIPPED_HEADER)
        writer.writerows((row.file, row.row, row.smiles, row.reason) for row in table.skipped)


def check_not_input(path: Path, inputs: Sequence[str | Path]) -> None:
    """Refuse to write over a file that was read.

    Raises:
        InputError: `path` is one of `inputs`.
    """
    for other in map(Path, inputs):
        if path.exists() and other.exists() and path.samefile(other):
            raise InputError(f"out: expected a new file, got {path}, which is read; choose another name")


def _cells(table: MoleculeTable, task: str) -> object:
    own = table.of(task)
    values = own.dense(len(table.smiles))
    if not own.censored:
        return values
    cells: list[object] = [None] * len(table.smiles)
    for row, value, bound in zip(own.rows.tolist(), own.values.tolist(), own.bounds.tolist(), strict=True):
        cells[row] = f"{_MARKS.get(bound, '')}{value!r}"
    return cells
