"""Decimal logarithms of labels, with an offset where zeros are among them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

_OFFSET = re.compile(r"(?P<column>.+):(?P<offset>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)")


def log10_offsets(wanted: Sequence[str], columns: Collection[str]) -> dict[str, float]:
    """The offset for each column named as `COLUMN` or `COLUMN:OFFSET`; a column's own name goes first.

    Raises:
        InputError: there is no such column.

    >>> log10_offsets(["CLint:1", "ratio 1:2"], ["CLint", "ratio 1:2"])
    {'CLint': 1.0, 'ratio 1:2': 0.0}
    """
    offsets = {}
    for text in wanted:
        match = _OFFSET.fullmatch(text)
        name, offset = (
            (text, 0.0) if text in columns or match is None else (match["column"], float(match["offset"]))
        )
        if name not in columns:
            raise InputError(
                f"log10: expected some of the tasks {listed(list(columns))}, got {name!r}"
                f"{did_you_mean(name, list(columns))}"
            )
        offsets[name] = offset
    return offsets


def log10_labels(name: str, labels: FloatArray, offset: float = 0.0) -> FloatArray:
    """log10(label + offset) of labels [r], NaN where missing.

    Raises:
        InputError: a sum is zero or negative.
    """
    shifted = labels + offset
    bad = shifted <= 0
    if bad.any():
        least = float(np.nanmin(shifted))
        remedy = f"add an offset, such as {name}:1" if least == 0 else "empty such cells or leave out log10"
        raise InputError(
            f"log10: expected positive labels in column {name!r}, got {int(bad.sum())} that are zero or "
            f"negative, the least {least:g}; {remedy}"
        )
    return np.asarray(np.log10(shifted))
