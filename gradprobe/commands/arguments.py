"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path | None, typer.Option(help="The folder to write to.")]
TABLE = "A table file (CSV, Excel, SDF, Parquet, ...), or the name of an embedded data set."


def names(text: str | None) -> list[str] | None:
    """The names in a list with commas; None for None."""
    return None if text is None else [name.strip() for name in text.split(",")]
