"""Excel workbooks (.xlsx): the first sheet that holds cells."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.data.formats.compressed import check_archive
from gradprobe.data.formats.raw import (
    Progress,
    RawTable,
    check_size,
    lines_above,
    names_smiles,
    objects,
)
from gradprobe.errors import InputError, missing_extra

_HEADER_WITHIN = 15
_NO_VALUE = re.compile(rb"(?:</f>|<f [^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>|</c>)")
# What openpyxl raises of a damaged or foreign workbook, beside ValueError and OSError.
_DAMAGED = (zipfile.BadZipFile, KeyError, TypeError, AttributeError, IndexError, SyntaxError)


def read_excel(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The first sheet with cells; the values that Excel last computed stand for formulas.

    Raises:
        InputError: no cells, too many, or a workbook that cannot be read.
        MissingExtraError: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise missing_extra("openpyxl", "molecules") from error
    try:
        check_archive(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return _first_sheet(book, path, smiles, progress)
        finally:
            book.close()
    except _DAMAGED as error:
        raise InputError(
            f"path: expected an Excel workbook that can be read, got {path} ({error}); save it as CSV"
        ) from error


def _first_sheet(book: Any, path: Path, smiles: str | None, progress: Progress | None) -> RawTable:
    """The first sheet that names a column of SMILES, or else the first with cells, from its header on."""
    sheets = list(book.worksheets)
    sheets.sort(key=lambda sheet: not _has_smiles(sheet, smiles))
    for sheet in sheets:
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
            start = _header(rows, smiles)
            above = [next(c for c in row if c is not None) for row in rows[:start] if any(map(_filled, row))]
            notes: tuple[str, ...] = (lines_above(len(above), str(above[0])),) if above else ()
            notes += _without_values(path)
            return _table(rows[start:], sheet.title, [other.title for other in book.worksheets], notes)
    raise InputError(f"path: expected a sheet with cells in {path}, got none")


def _filled(cell: object) -> bool:
    return cell is not None


def _has_smiles(sheet: Any, smiles: str | None) -> bool:
    head = list(sheet.iter_rows(max_row=_HEADER_WITHIN, values_only=True))
    return any(names_smiles(cell, smiles) for row in head for cell in row)


def _header(rows: list[tuple[object, ...]], smiles: str | None) -> int:
    """The row of the header: the first that names a column of SMILES, or else the first."""
    places = [
        place
        for place, row in enumerate(rows[:_HEADER_WITHIN])
        if any(names_smiles(cell, smiles) for cell in row)
    ]
    return places[0] if places else 0


def _without_values(path: Path) -> tuple[str, ...]:
    """A note on formulas whose values the program that wrote the workbook did not store."""
    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        count = sum(len(_NO_VALUE.findall(archive.read(name))) for name in sheets)
    if not count:
        return ()
    cells = "1 formula has" if count == 1 else f"{count} formulas have"
    return (f"{cells} no stored value and read as empty: open the workbook in Excel and save it",)


def _table(rows: list[tuple[object, ...]], sheet: str, sheets: list[str], notes: tuple[str, ...]) -> RawTable:
    width = max(map(len, rows))
    padded = [(*row, *[None] * (width - len(row))) for row in rows]
    others = [name for name in sheets if name != sheet]
    notes += (f"sheet {sheet!r} was read, not {', '.join(map(repr, others))}",) if others else ()
    columns = list(zip(*padded[1:], strict=True)) if len(padded) > 1 else [()] * width
    return RawTable(
        tuple("" if name is None else str(name).strip() for name in padded[0]),
        tuple(objects(cells) for cells in columns),
        np.arange(1, len(padded)),
        notes,
    )
