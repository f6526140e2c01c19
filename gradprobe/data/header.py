"""The names above a table's columns: which holds SMILES, which are there, which are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gradprobe.data.columns.numbers import parse_cell
from gradprobe.data.columns.texts import texts_of
from gradprobe.data.formats import RawTable
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError

_UNNAMED = re.compile(r"(unnamed: \d+)?", re.IGNORECASE)


def smiles_place(table: RawTable, smiles: str | None, path: Path) -> int:
    """The place of the column of SMILES: the one named, or else `smiles` or the only name with that word.

    Raises:
        InputError: there is none, or several.
    """
    if smiles is not None:
        check_columns(table, path, (smiles,))
        return _only(table, smiles, path)
    if "smiles" in table.names:
        return _only(table, "smiles", path)
    found = [name for name in dict.fromkeys(table.names) if "smiles" in name.lower()]
    if exact := [name for name in found if name.lower() == "smiles"]:
        found = exact
    if len(found) != 1:
        raise InputError(
            f"smiles: expected a column of SMILES in {path}, got "
            + (f"{listed(found)}" if found else f"the columns {listed(table.names)}")
            + _hint(table, found)
        )
    return _only(table, found[0], path)


def _hint(table: RawTable, found: Sequence[str]) -> str:
    """What to do where no column of SMILES is named."""
    if not found and any(parse_cell(name) is not None for name in table.names):
        return "; the first line looks like data: add a line of names above it"
    if not found and len(table.names) == 1 and " " in table.names[0]:
        return "; separate the columns by commas, semicolons or tabs"
    if not found and any("inchi" in name.lower() and "key" not in name.lower() for name in table.names):
        return "; InChI is not read: add SMILES, with RDKit's MolFromInchi and MolToSmiles"
    return "; name it with --smiles"


def check_columns(table: RawTable, path: Path, wanted: Sequence[str]) -> None:
    """Check that columns are there.

    Raises:
        InputError: one is not.
    """
    for name in wanted:
        if name not in table.names:
            raise InputError(
                f"columns: expected {name!r} in {path}, got the columns {listed(table.names)}"
                f"{did_you_mean(name, table.names)}"
            )


def check_unnamed(table: RawTable, path: Path) -> None:
    """Refuse numbers under no name, except in the first column, where data frames leave their index.

    A decimal comma splits a number in two, and the second half lands there.

    Raises:
        InputError: such a column.
    """
    for place, name in enumerate(table.names):
        if place == 0 or not _UNNAMED.fullmatch(name):
            continue
        cells = texts_of(table.columns[place])
        present = cells.present().nonzero()[0]
        if not present.size:
            continue
        shown = str(table.columns[place][present[0]])
        if cells.numbers is not None or parse_cell(shown.strip()) is not None:
            raise InputError(
                f"columns: expected a name for column {place + 1} of {path}, got none above {shown[:40]!r} "
                f"in row {table.rows[present[0]]}; name it, or quote numbers with decimal commas, which else "
                "split in two"
            )


def _only(table: RawTable, name: str, path: Path) -> int:
    places = table.places(name)
    if len(places) > 1:
        raise InputError(f"columns: expected one {name!r} in {path}, got {len(places)}; rename one")
    return places[0]
