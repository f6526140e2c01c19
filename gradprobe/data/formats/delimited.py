"""Text with a separator: comma, semicolon, tab or bar, found from the first lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gradprobe.data.formats.compressed import read_bytes
from gradprobe.data.formats.encoding import decode
from gradprobe.data.formats.raw import (
    Progress,
    RawTable,
    check_size,
    lines_above,
    names_smiles,
    objects,
)
from gradprobe.errors import InputError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SNIFFED_LINES = 30
_BLOCK = 20_000
# Drawings and spectra in a cell are longer than the 131,072 characters that Python's reader allows.
_LONGEST_CELL = 50_000_000
_HEADER_WITHIN = 15
_DECIMAL_COMMA = re.compile(r"\s*[-+]?(0,\d+|\d+,(\d{1,2}|\d{4,}))\s*")


def read_delimited(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The columns of a CSV or TSV file.

    Rows shorter than the header lack their last cells, which a note says; a longer row is refused.

    Raises:
        InputError: no header, a row with more cells than the header has names, or quotes that do not close.
        UnicodeDecodeError: text that is neither UTF-8 nor UTF-16.
    """
    text, notes = decode(read_bytes(path))
    text, separator = _without_hint(text)
    text, above = _without_lines_above(text, smiles)
    notes += above
    separator = separator or _separator(text)
    lines = text.count("\n") + 1
    rows = _rows(text, separator)
    names = next(rows, None)
    if names is None:
        raise InputError(f"path: expected a header and rows, got {path}, which is empty (No columns)")
    del text
    columns, numbers, short = _columns(rows, len(names), lines, progress)
    if separator != ",":
        notes += (f"read as separated by {_SEPARATORS[separator]}",)
    if short:
        notes += (
            f"{len(short)} rows are shorter than the header, first row {short[0]}: their ends are missing",
        )
    return RawTable(
        tuple(name.strip() for name in names),
        tuple(columns),
        np.array(numbers, dtype=np.intp),
        notes,
        decimal_comma=separator == ";" and _writes_decimal_commas(columns),
    )


def _columns(
    rows: Iterator[list[str]], width: int, lines: int, progress: Progress | None
) -> tuple[list[np.ndarray[Any, Any]], list[int], list[int]]:
    blocks: list[list[np.ndarray[Any, Any]]] = [[] for _ in range(width)]
    block: list[list[str]] = []
    numbers: list[int] = []
    short: list[int] = []
    row = 0

    def flush() -> None:
        check_size(row, width)
        for place, cells in enumerate(zip(*block, strict=True)):
            blocks[place].append(objects(cells))
        block.clear()
        if progress is not None:
            progress("rows", row, lines)

    for cells in rows:
        row += 1
        if len(cells) > width:
            if any(cell.strip() for cell in cells[width:]):
                raise _too_long(cells, width, row)
            del cells[width:]
        elif len(cells) < width:
            if any(cell.strip() for cell in cells):
                short.append(row)
            cells.extend([""] * (width - len(cells)))
        _check_swallowed(cells, width, row)
        block.append(cells)
        numbers.append(row)
        if len(block) == _BLOCK:
            flush()
    if block:
        flush()
    return [np.concatenate(parts) if parts else objects([]) for parts in blocks], numbers, short


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """The rows that are not blank lines."""
    quoting: Literal[0, 3] = (
        csv.QUOTE_NONE if separator == "\t" and _stray_quotes(text) else csv.QUOTE_MINIMAL
    )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, quoting=quoting)
    usual = csv.field_size_limit(_LONGEST_CELL)
    try:
        for cells in reader:
            if cells:
                yield cells
    except csv.Error as error:
        raise InputError(
            f"path: expected rows of cells, got line {reader.line_num} with {error}; look for a "
            "quote that does not close"
        ) from error
    finally:
        csv.field_size_limit(usual)


def _stray_quotes(text: str) -> bool:
    """Whether some line has a quote without its partner, as inches and primes of names have."""
    return any(line.count('"') % 2 for line in text.splitlines())


def _without_hint(text: str) -> tuple[str, str]:
    """The text less Excel's first line `sep=;`, and the separator that it names."""
    hint = re.match(r'"?sep=(.)"?\r?\n', text)
    return (text[hint.end() :], hint.group(1)) if hint and hint.group(1) in _SEPARATORS else (text, "")


def _without_lines_above(text: str, smiles: str | None) -> tuple[str, tuple[str, ...]]:
    """The text from its header on, and a note on the title or comments above it.

    Where the first line names no column of SMILES, the header is the first of the next lines that does.
    """
    lines = text[:200_000].splitlines(keepends=True)[:_HEADER_WITHIN]
    places = [
        place
        for place, line in enumerate(lines)
        if any(names_smiles(cell, smiles) for cell in re.split(r"[,;\t|]", line))
    ]
    filled = [line.strip(' ,;\t|"\r\n') for line in lines[: places[0] if places else 0]]
    if not places or not any(filled):
        return text, ()
    first = next(line for line in filled if line)
    return text[len("".join(lines[: places[0]])) :], (lines_above(len([f for f in filled if f]), first),)


def _separator(text: str) -> str:
    """The separator that gives the first lines the most cells, all the same number of them."""
    head = [line for line in text[:200_000].splitlines() if line.strip()][:_SNIFFED_LINES]
    if not head:
        return ","

    def score(separator: str) -> tuple[float, int]:
        try:
            counts = [len(row) for row in csv.reader(head, delimiter=separator)]
        except csv.Error:
            return (0.0, 0)
        if not counts or counts[0] < 2:
            return (0.0, 0)
        return (Counter(counts)[counts[0]] / len(counts), counts[0])

    best = max(_SEPARATORS, key=score)
    # A comma in the header settles it unless another separator fits nearly every line.
    return best if score(best)[0] >= 0.5 or score(",")[0] == 0 else ","


def _writes_decimal_commas(columns: list[np.ndarray[Any, Any]]) -> bool:
    return any(
        _DECIMAL_COMMA.fullmatch(cell) is not None
        for column in columns
        for cell in column[:200]
        if isinstance(cell, str)
    )


def _too_long(cells: list[str], width: int, row: int) -> InputError:
    hint = ""
    if any(re.fullmatch(r"\d+", one) and re.fullmatch(r"\d+", two) for one, two in pairwise(cells[1:])):
        hint = "; decimal commas split a number in two: separate cells by semicolons or quote them"
    return InputError(
        f"path: expected {width} cells a row, as the header has, got {len(cells)} in row {row} "
        f"(line {row + 1} without blank lines){hint or '; quote cells that hold the separator'}"
    )


def _check_swallowed(cells: list[str], width: int, row: int) -> None:
    """A quote that opens in one row and closes in another hides the rows between."""
    for cell in cells:
        if "\n" in cell and cell.count("\n") > 2 and width > 1:
            inner = [line for line in cell.split("\n")[1:-1] if line.strip()]
            if inner and all(max(line.count(mark) for mark in _SEPARATORS) >= width - 1 for line in inner):
                raise InputError(
                    f"path: expected quotes that close in their own row, got a cell in row {row} that holds "
                    f"{len(inner)} whole rows; remove the stray quote"
                )
