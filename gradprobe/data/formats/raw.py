"""A file's columns as they stand, and what was done to read them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradprobe.errors import InputError

# Beyond this a table fills memory; a million molecules of fifty columns still fit.
MAX_CELLS = 60_000_000
# Told what is being read (rows, molecules), how many so far, and how many there are where it is known.
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, eq=False)
class RawTable:
    """Columns of cells by place, since two may have one name; every column has a cell for each row.

    A column is an object array of text, numbers, booleans and None, or an array of numbers. `rows` [r]
    numbers the rows as the file does, from 1, blank lines not counted. `notes` say what reading had to
    decide, such as the encoding. `decimal_comma` says that the file writes numbers with commas.
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray[Any, Any], ...]
    rows: np.ndarray[Any, np.dtype[np.intp]]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False

    def places(self, name: str) -> list[int]:
        """Where the columns of this name stand."""
        return [place for place, other in enumerate(self.names) if other == name]


def check_size(rows: int, columns: int) -> None:
    """Refuse a table whose cells would not fit in memory.

    Raises:
        InputError: it has more than `MAX_CELLS` cells.
    """
    if rows * columns > MAX_CELLS:
        raise InputError(
            f"path: expected at most {MAX_CELLS:,} cells, got {rows:,} rows or more of {columns:,} columns; "
            "keep the columns that matter, or split the file"
        )


def names_smiles(cell: object, smiles: str | None) -> bool:
    """Whether a cell of a header names the column of SMILES: as `smiles`, or with that word in it.

    >>> names_smiles("Canonical SMILES", None), names_smiles("SMILES of all compounds: see page 2", None)
    (True, False)
    """
    text = str(cell).strip().strip('"').strip()
    if smiles is not None:
        return text == smiles
    return (
        re.fullmatch(r"[\w.()#-]*( [\w.()#-]+)?( )?smiles( ?[\w.()#-]+){0,2}", text, re.IGNORECASE)
        is not None
    )


def lines_above(count: int, first: str) -> str:
    """What a note says of lines above the header."""
    what = "1 line above the header was" if count == 1 else f"{count} lines above the header were"
    return f"{what} not read, first {first[:60]!r}"


def objects(cells: Sequence[object]) -> np.ndarray[Any, Any]:
    """A column [r] of any objects, lists among them."""
    column = np.empty(len(cells), dtype=object)
    column[:] = cells if all(not isinstance(cell, (list, np.ndarray)) for cell in cells) else None
    if len(cells) and column[0] is None:
        for row, cell in enumerate(cells):
            column[row] = cell
    return column


def without_blank_rows(table: RawTable) -> RawTable:
    """The table less rows in which no column has a cell."""
    filled = np.zeros(len(table.rows), dtype=np.bool_)
    for column in table.columns:
        filled |= is_filled(column)
    if filled.all():
        return table
    return RawTable(
        table.names,
        tuple(column[filled] for column in table.columns),
        table.rows[filled],
        table.notes,
        table.decimal_comma,
    )


def is_filled(column: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where a column [r] has a cell that is not blank."""
    if column.dtype != object:
        return np.asarray(~np.isnan(column))
    return np.fromiter((is_filled_cell(cell) for cell in column), dtype=np.bool_, count=len(column))


def is_filled_cell(cell: object) -> bool:
    """Whether one cell is not blank."""
    if isinstance(cell, str):
        return bool(cell.strip())
    return cell is not None and not (isinstance(cell, float) and math.isnan(cell))
