"""JSON lines (.jsonl, .ndjson): an object a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gradprobe.data.formats.compressed import read_bytes
from gradprobe.data.formats.encoding import decode
from gradprobe.data.formats.raw import Progress, RawTable, check_size, objects
from gradprobe.errors import InputError


def read_json_lines(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The keys of all objects as columns, in the order in which they first occur.

    Raises:
        InputError: a line is no JSON object, or names a key twice.
    """
    del smiles
    text, notes = decode(read_bytes(path))
    columns: dict[str, dict[int, object]] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    for row, line in enumerate(lines):
        for name, cell in _object(line, row + 1).items():
            columns.setdefault(name.strip(), {})[row] = cell
        if row % 10_000 == 0:
            check_size(row, len(columns))
            if progress is not None:
                progress("rows", row, len(lines))
    check_size(len(lines), len(columns))
    return RawTable(
        tuple(columns),
        tuple(objects([cells.get(row) for row in range(len(lines))]) for cells in columns.values()),
        np.arange(1, len(lines) + 1),
        notes,
    )


def _object(line: str, row: int) -> dict[str, object]:
    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name.strip() for name, _ in pairs}) < len(pairs):
            raise InputError(f"path: expected every key once, got one twice in line {row}")
        return dict(pairs)

    try:
        parsed = json.loads(line, object_pairs_hook=distinct)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"path: expected a JSON object in line {row}, got none ({error})") from error
    if not isinstance(parsed, dict):
        raise InputError(f"path: expected a JSON object in line {row}, got {type(parsed).__name__}")
    return parsed
