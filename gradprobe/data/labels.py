"""A column of a file to labels: numbers, missing, or an error that says where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray

_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class Column:
    """The cells of a column [r]: numbers, NaN where missing or text, and where text stands."""

    numbers: FloatArray
    text: BoolArray


def parse_column(cells: pd.Series[Any]) -> Column:
    """The numbers of a column; true and false count as 1 and 0, and the usual marks as missing."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(numbers, np.zeros(len(numbers), dtype=np.bool_))
    parsed = [_parse(cell) for cell in cells]
    return Column(
        numbers=np.array([np.nan if value is None else value for value in parsed], dtype=np.float64),
        text=np.array([value is None for value in parsed], dtype=np.bool_),
    )


def labels_of(name: str, cells: pd.Series[Any]) -> FloatArray:
    """The labels [r] of the task `name`, NaN where missing; the index of `cells` numbers the rows.

    Raises:
        InputError: text or an infinite number among them, naming the first and its row.
    """
    column = parse_column(cells)
    for what, where in (("text", column.text), ("an infinite number", np.isinf(column.numbers))):
        if where.any():
            first = int(np.flatnonzero(where)[0])
            raise InputError(
                f"labels: expected numbers in column {name!r}, got {what}, first {_shown(cells.iloc[first])} "
                f"in row {cells.index[first]} ({int(where.sum())} in all); correct such cells or empty them"
            )
    return column.numbers


def log10_labels(name: str, labels: FloatArray) -> FloatArray:
    """The decimal logarithm of labels [r], NaN where missing.

    Raises:
        InputError: some labels are zero or negative.
    """
    bad = labels <= 0
    if bad.any():
        raise InputError(
            f"log10: expected positive labels in column {name!r}, got {int(bad.sum())} that are zero or "
            f"negative, the least {np.nanmin(labels):g}; empty such cells or leave out log10"
        )
    return np.asarray(np.log10(labels))


def is_mostly_numbers(column: Column) -> bool:
    """Whether a column can be meant as labels: some numbers, and at least as many as texts.

    >>> is_mostly_numbers(Column(np.array([1.0, np.nan]), np.array([False, True])))
    True
    """
    numbers = int((~np.isnan(column.numbers)).sum())
    return numbers > 0 and numbers >= int(column.text.sum())


def _parse(cell: object) -> float | None:
    """The number in a cell, NaN where it is missing, None where it is text."""
    text = str(cell).strip().lower()
    if text in _MISSING:
        return float("nan")
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        return None if "_" in text else float(text)  # Python reads 1_000, a typing slip in a table
    except ValueError:
        return None


def _shown(cell: object) -> str:
    return repr(cell) if isinstance(cell, str) else str(cell)
