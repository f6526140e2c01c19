"""SMILES to canonical SMILES, with a reason for those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gradprobe.errors import missing_extra


@dataclass(frozen=True)
class Unreadable:
    """Why a SMILES is no molecule, in RDKit's words where it has some."""

    reason: str


def canonical_smiles(smiles: Sequence[str]) -> Iterator[str | Unreadable]:
    """RDKit's canonical SMILES of each text [r], stereochemistry kept, or why there is none.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    for molecule in parse_molecules(smiles):
        yield molecule if isinstance(molecule, Unreadable) else write_smiles(molecule)


def parse_molecules(smiles: Sequence[str]) -> Iterator[Any]:
    """The RDKit molecule of each text [r], or `Unreadable`; RDKit's own messages are held back meanwhile.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    try:
        from rdkit import Chem
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("rdkit", "molecules") from error

    for text in smiles:
        # One block a molecule: a generator must not hold the log back while its caller works.
        with BlockLogs():
            molecule = Chem.MolFromSmiles(text)
            reason = "" if molecule is not None else _reason(text)
        if reason:
            yield Unreadable(reason)
        elif molecule.GetNumAtoms() == 0:
            yield Unreadable("no atoms")
        else:
            yield molecule


def write_smiles(molecule: Any) -> str:
    """The canonical SMILES of an RDKit molecule."""
    from rdkit import Chem

    return str(Chem.MolToSmiles(molecule))


def _reason(text: str) -> str:
    from rdkit import Chem

    unchecked: Any = Chem.MolFromSmiles(text, sanitize=False)
    if unchecked is None:
        return "not valid SMILES"
    problems = Chem.DetectChemistryProblems(unchecked)
    return problems[0].Message() if problems else "not a valid molecule"
