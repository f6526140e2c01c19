"""Tables of molecules and lists of skipped rows to files."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from gradprobe.data.table import MoleculeTable
from gradprobe.errors import InputError


def write_table(table: MoleculeTable, path: str | Path, *, smiles: str = "smiles") -> None:
    """Write a table as .csv, .csv.gz or .parquet; `read_table` gives the same table again.

    Raises:
        InputError: another ending, a task named like the column of SMILES, or a place that cannot be
            written to.
    """
    path = Path(path)
    if smiles in table.tasks:
        raise InputError(f"smiles: expected a column name that is no task, got {smiles!r}; choose another")
    frame = pd.DataFrame(table.labels, columns=list(table.tasks))
    frame.insert(0, smiles, list(table.smiles))
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            frame.to_parquet(path, index=False)
        elif name.endswith((".csv", ".csv.gz")):
            frame.to_csv(path, index=False)
        else:
            raise InputError(f"path: expected a name that ends in .csv, .csv.gz or .parquet, got {path}")
    except OSError as error:
        raise InputError(f"path: expected a place to write to, got {path} ({error.strerror})") from error


def write_skipped(table: MoleculeTable, path: str | Path) -> None:
    """Write the rows whose SMILES could not be read as CSV: `file,row,smiles,reason`.

    Rows of data count from 1, without the header and blank lines.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "row", "smiles", "reason"))
        writer.writerows((row.file, row.row, row.smiles, row.reason) for row in table.skipped)
