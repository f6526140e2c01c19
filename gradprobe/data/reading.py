"""A file to a table of molecules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gradprobe.data.files import read_frame
from gradprobe.data.labels import is_mostly_numbers, labels_of, log10_labels, parse_column
from gradprobe.data.merging import kind_of, merge_rows
from gradprobe.data.molecules import Unreadable, canonical_smiles
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.data.table import MoleculeTable, SkippedRow
from gradprobe.errors import InputError

# Numbers that name a row rather than measure it: an index that a data frame left behind, a registry number.
_IDENTIFIER = re.compile(r"(unnamed: \d+|index|(.*[\s_.-])?id)", re.IGNORECASE)


def read_table(
    path: str | Path, *, smiles: str, tasks: Sequence[str] | None = None, log10: Sequence[str] = ()
) -> MoleculeTable:
    """The molecules of a CSV (.csv, .csv.gz) or Parquet file and their labels [n, m], missing ones as NaN.

    SMILES are canonicalised; rows whose SMILES cannot be read are set aside in `skipped`, and rows of
    one molecule are merged by mean (`merge_rows`). `tasks=None` takes every column of numbers, except
    those named like an identifier or an index (`id`, `Vendor ID`, `index`). A task whose labels are 0
    and 1, or true and false, is a classification. Columns in `log10` are replaced by their decimal
    logarithm, before the mean.

    Raises:
        InputError: the file or a column is missing, text or infinite numbers among the labels,
            labels without logarithm, or not one readable SMILES.
        MissingExtraError: RDKit is not installed.
    """
    path = Path(path)
    frame = read_frame(path, text=smiles)
    _check_columns(frame, path, (smiles, *(tasks or ()), *log10))
    names = tuple(dict.fromkeys(_label_columns(frame, smiles) if tasks is None else tasks))
    _check_log10(log10, names)
    raw = {name: labels_of(name, frame[name]) for name in names}
    labels = [log10_labels(name, raw[name]) if name in log10 else raw[name] for name in names]
    canonical, skipped = _split_readable(frame[smiles], path)
    return merge_rows(
        [text for text in canonical if text is not None],
        np.column_stack(labels)[[text is not None for text in canonical]],
        {name: kind_of(raw[name]) for name in names},
        skipped=skipped,
    )


def _split_readable(cells: pd.Series[str], path: Path) -> tuple[list[str | None], list[SkippedRow]]:
    """The canonical SMILES of each row, None where there is none, and those rows with the reason."""
    texts = ["" if missing else str(cell).strip() for cell, missing in zip(cells, cells.isna(), strict=True)]
    canonical: list[str | None] = []
    skipped = []
    for row, text, found in zip(cells.index, texts, canonical_smiles(texts), strict=True):
        if isinstance(found, Unreadable):
            skipped.append(SkippedRow(int(row), text, found.reason, path.name))
        canonical.append(None if isinstance(found, Unreadable) else found)
    if len(skipped) == len(texts):
        first = f", first {texts[0]!r} ({skipped[0].reason})" if skipped else ""
        raise InputError(
            f"smiles: expected molecules in column {cells.name!r} of {path}, got {len(texts)} rows and no "
            f"readable SMILES{first}; name the column that holds SMILES"
        )
    return canonical, skipped


def _label_columns(frame: pd.DataFrame, smiles: str) -> list[str]:
    names = [
        name
        for name in frame.columns
        if name != smiles and not _IDENTIFIER.fullmatch(name) and is_mostly_numbers(parse_column(frame[name]))
    ]
    if not names:
        raise InputError(
            f"tasks: expected at least one column of numbers beside {smiles!r}, got none among "
            f"{listed(list(frame.columns))}"
        )
    return names


def _check_columns(frame: pd.DataFrame, path: Path, wanted: Sequence[str]) -> None:
    known = list(frame.columns)
    for name in wanted:
        if name not in known:
            raise InputError(
                f"columns: expected {name!r} in {path}, got the columns {listed(known)}"
                f"{_other_separator(known) or did_you_mean(name, known)}"
            )
        if known.count(name) > 1:
            raise InputError(f"columns: expected one {name!r} in {path}, got {known.count(name)}; rename one")


def _other_separator(columns: Sequence[str]) -> str:
    found = next((mark for mark in (";", "\t", "|") if len(columns) == 1 and mark in columns[0]), None)
    return f"; they look separated by {found!r}: save the file with commas" if found else ""


def _check_log10(log10: Sequence[str], names: Sequence[str]) -> None:
    for name in log10:
        if name not in names:
            raise InputError(f"log10: expected some of the tasks {listed(names)}, got {name!r}")
