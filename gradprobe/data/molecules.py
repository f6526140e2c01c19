"""SMILES to canonical SMILES, with a reason for those that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gradprobe.errors import missing_extra

# RDKit walks along bonds by recursion: some 20,000 atoms in a row overflow the stack and kill the process,
# without an exception. A scaffold's time grows with the cube of the atoms: 1 s at 1,000, 10 s at 2,000.
MOST_ATOMS = 1_000
MOST_CHARACTERS = 20_000
_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops*]")


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

    A text of more than 20,000 characters or 1,000 atoms, hydrogens not counted unless written as atoms, is
    `Unreadable`: RDKit never sees it.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    try:
        from rdkit import Chem
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("rdkit", "molecules") from error

    for text in smiles:
        if reason := too_large(text):
            yield Unreadable(reason)
            continue
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


def too_large(text: str) -> str:
    """Why RDKit must not see a text, or nothing; atoms are counted from the text alone."""
    if len(text) > MOST_CHARACTERS:
        return f"{len(text):,} characters; at most {MOST_CHARACTERS:,} are read"
    atoms = len(_ATOM.findall(text))
    return f"{atoms:,} atoms; at most {MOST_ATOMS:,} are read" if atoms > MOST_ATOMS else ""


def shortened(text: str) -> str:
    """A SMILES as an error quotes it: of a long one, the beginning.

    >>> shortened("CCO"), len(shortened("C" * 5000))
    ('CCO', 81)
    """
    return text if len(text) <= 80 else f"{text[:80]}…"


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
