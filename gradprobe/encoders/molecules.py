"""SMILES that a table has already checked, to RDKit molecules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradprobe.data.molecules import Unreadable, shortened
from gradprobe.data.molecules import parse_molecules as parse_or_explain
from gradprobe.errors import InputError


def parse_molecules(smiles: Sequence[str]) -> Iterator[Any]:
    """The RDKit molecule of each SMILES, one at a time.

    Raises:
        InputError: a SMILES cannot be read or has no atoms; tables drop such rows on reading.
        MissingExtraError: RDKit is not installed.
    """
    for row, molecule in enumerate(parse_or_explain(smiles)):
        if isinstance(molecule, Unreadable):
            raise InputError(
                f"smiles: expected a readable molecule in row {row}, got {shortened(smiles[row])!r} "
                f"({molecule.reason}); "
                "read the table with gradprobe.data, which sets such rows aside"
            )
        yield molecule
