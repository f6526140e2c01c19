"""SMILES to RDKit molecules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradprobe.errors import InputError, missing_extra


def parse_molecules(smiles: Sequence[str]) -> Iterator[Any]:
    """The RDKit molecule of each SMILES, one at a time.

    Raises:
        InputError: a SMILES cannot be read or has no atoms; tables drop such rows on reading.
        MissingExtraError: RDKit is not installed.
    """
    try:
        from rdkit import Chem
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("rdkit", "molecules") from error

    for row, text in enumerate(smiles):
        with BlockLogs():
            molecule = Chem.MolFromSmiles(text)
        if molecule is None or molecule.GetNumAtoms() == 0:
            raise InputError(
                f"smiles: expected a readable molecule in row {row}, got {text!r}; "
                "read the table with gradprobe.data, which sets such rows aside"
            )
        yield molecule
