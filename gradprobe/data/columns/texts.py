"""A column's distinct texts, so that each is understood once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradprobe.geometry.gramian import BoolArray, FloatArray

# Always a missing cell, in any case. Excel's errors are among them; "-" is not in a column of + and -.
MISSING = frozenset(
    {
        "", "-", "--", "---", ".", "?", "na", "n/a", "n.a.", "n.a", "<na>", "nan", "null", "none",
        "nil", "nat", "missing", "nd", "n.d.", "n.d", "n/d", "nt", "n.t.", "n/t", "nr", "n.r.",
        "n/r", "not determined", "not tested", "not available", "not applicable", "not measured",
        "not reported", "no data", "pending", "tbd", "blq", "bloq", "bql", "blod", "bdl", "<lod",
        "<loq", "#n/a", "#n/a n/a", "#na", "#value!", "#div/0!", "#ref!", "#name?", "#num!",
        "#null!",
    }
)  # fmt: skip
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u202f\u200b\ufeff\t\r\n"), " ")
_SIGNS = {ord(odd): plain for odd, plain in zip("−–＜＞＝μ﹣％", "--<>=µ-%", strict=True)}
_TABLE = {**_SPACES, **_SIGNS}


@dataclass(frozen=True, eq=False)
class Texts:
    """The cells [r] of a column as codes into distinct texts, blanks and signs made plain.

    `numbers` [r] are there instead where the file itself holds numbers; then there are no texts.
    """

    codes: np.ndarray[Any, np.dtype[np.intp]]
    distinct: tuple[str, ...]
    numbers: FloatArray | None = None

    def counts(self) -> list[int]:
        """How many cells each text has."""
        return [int(count) for count in np.bincount(self.codes, minlength=len(self.distinct))]

    def first(self, code: int) -> int:
        """The place of the first cell with a text."""
        return int(np.flatnonzero(self.codes == code)[0])

    def present(self, also_missing: frozenset[str] = frozenset()) -> BoolArray:
        """Where cells [r] are not missing."""
        if self.numbers is not None:
            return ~np.isnan(self.numbers)
        marks = MISSING | also_missing
        present = np.array([text.lower() not in marks for text in self.distinct], dtype=np.bool_)
        return np.asarray(present[self.codes])


def texts_of(cells: np.ndarray[Any, Any]) -> Texts:
    """The distinct texts of a column [r] of any cells."""
    if cells.dtype != object:
        return Texts(np.zeros(len(cells), dtype=np.intp), (), np.asarray(cells, dtype=np.float64))
    seen: dict[object, int] = {}
    places: dict[str, int] = {}
    codes = np.empty(len(cells), dtype=np.intp)
    for row, cell in enumerate(cells):
        # True equals 1 as a key, and a list is no key at all.
        key = cell if type(cell) is str else (type(cell), repr(cell))
        code = seen.get(key)
        if code is None:
            text = _text(cell)
            code = seen[key] = places.setdefault(text, len(places))
        codes[row] = code
    return Texts(codes, tuple(places))


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or cell is pd.NaT or cell is pd.NA:
        return ""
    text = str(cell).translate(_TABLE).strip()
    # Databases quote qualifiers: '='.
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == "'" else text
