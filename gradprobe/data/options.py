"""How a table is read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gradprobe.data.merging import Duplicates
from gradprobe.data.standardize import Standardization

Censored = Literal["drop", "value", "loss"]


class TableOptions(BaseModel):
    """What to make of the cells of a table.

    `named` columns hold labels whatever their names look like. `missing` are marks for missing cells beside
    the usual ones. `classes` names columns whose two values are classes, `exclude` columns to leave out.
    `censored` says what becomes of `<5` and `>100`: left out, taken as measured, or kept as bounds for a
    one-sided loss. `duplicates` says how labels of one molecule become one, `standardize` what counts as
    one molecule. `split_column` names a column that assigns the splits, `stratify` one whose classes each
    split gets its share of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    named: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    censored: Censored = "drop"
    duplicates: Duplicates = "mean"
    standardize: Standardization = "none"
    split_column: str | None = None
    stratify: str | None = None
