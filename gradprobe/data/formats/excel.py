"""Excel workbooks (.xlsx): the first sheet that holds cells."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.data.formats.compressed import check_archive
from gradprobe.data.formats.raw import Progress, RawTable, check_size, objects
from gradprobe.errors import InputError, missing_extra

# What openpyxl raises of a damaged or foreign workbook, beside ValueError and OSError.
_DAMAGED = (zipfile.BadZipFile, KeyError, TypeError, AttributeError, IndexError, SyntaxError)


def read_excel(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The first sheet with cells; the values that Excel last computed stand for formulas.

    Raises:
        InputError: no cells, too many, or a workbook that cannot be read.
        MissingExtraError: openpyxl is not installed.
    """
    del smiles
    try:
        import openpyxl
    except ImportError as error:
        raise missing_extra("openpyxl", "molecules") from error
    try:
        check_archive(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return _first_sheet(book, path, progress)
        finally:
            book.close()
    except _DAMAGED as error:
        raise InputError(
            f"path: expected an Excel workbook that can be read, got {path} ({error}); save it as CSV"
        ) from error


def _first_sheet(book: Any, path: Path, progress: Progress | None) -> RawTable:
    for sheet in book.worksheets:
        rows: list[tuple[object, ...]] = []
        for row in sheet.iter_rows(values_only=True):
            if rows or any(cell is not None for cell in row):
                rows.append(row)
                if len(rows) % 5000 == 0:
                    check_size(len(rows), len(rows[0]))
                    if progress is not None:
                        progress("rows", len(rows), None)
        if rows:
            check_size(len(rows), max(map(len, rows)))
            return _table(rows, sheet.title, [other.title for other in book.worksheets])
    raise InputError(f"path: expected a sheet with cells in {path}, got none")


def _table(rows: list[tuple[object, ...]], sheet: str, sheets: list[str]) -> RawTable:
    width = max(map(len, rows))
    padded = [(*row, *[None] * (width - len(row))) for row in rows]
    others = [name for name in sheets if name != sheet]
    note = (f"sheet {sheet!r} was read, not {', '.join(map(repr, others))}",) if others else ()
    columns = list(zip(*padded[1:], strict=True)) if len(padded) > 1 else [()] * width
    return RawTable(
        tuple("" if name is None else str(name).strip() for name in padded[0]),
        tuple(objects(cells) for cells in columns),
        np.arange(1, len(padded)),
        note,
    )
