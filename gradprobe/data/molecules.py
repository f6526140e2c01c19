"""The text of a cell to a molecule, with a reason for those that cannot be read."""

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
# Text that a chemist's name would not be: bonds, brackets and closures, or nothing but atoms and closures.
_BOND_SIGNS = re.compile(r"[=#@\\/\[\]]")
_ATOMS = re.compile(
    r"(Cl|Br|[BCNOPSFIbcnops]|[()\-+.%]|\d)*(Cl|Br|[BCNOPSFIbcnops])(Cl|Br|[BCNOPSFIbcnops]|[()\-+.%]|\d)*"
)


@dataclass(frozen=True)
class Unreadable:
    """Why a text is no molecule, in RDKit's words where it has some."""

    reason: str


def canonical_smiles(smiles: Sequence[str]) -> Iterator[str | Unreadable]:
    """RDKit's canonical SMILES of each text [r], stereochemistry kept, or why there is none.

    Groups of relative stereochemistry (`|o1:4|`, `|&1:4|`) are part of the result, as CXSMILES: a racemate
    is another sample than an enantiomer. Of the other extensions nothing is kept.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    for molecule in parse_molecules(smiles):
        yield molecule if isinstance(molecule, Unreadable) else write_smiles(molecule)


def parse_molecules(smiles: Sequence[str]) -> Iterator[Any]:
    """The RDKit molecule of each text [r], or `Unreadable`; RDKit's own messages are held back meanwhile.

    A text of more than 20,000 characters or 1,000 atoms, hydrogens not counted unless written as atoms, is
    `Unreadable`: RDKit never sees it. Text after a SMILES must be CXSMILES between bars or a name that is
    no SMILES itself: a blank within a SMILES would otherwise cut a molecule in two.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    try:
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("rdkit", "molecules") from error

    for text in smiles:
        if reason := too_large(text):
            yield Unreadable(reason)
            continue
        # One block a molecule: a generator must not hold the log back while its caller works.
        with BlockLogs():
            molecule = _parse(text)
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
    """The canonical SMILES of an RDKit molecule, with its groups of relative stereochemistry."""
    from rdkit import Chem

    groups = molecule.GetStereoGroups()
    if all(group.GetGroupType() == Chem.StereoGroupType.STEREO_ABSOLUTE for group in groups):
        return str(Chem.MolToSmiles(molecule))
    copy = Chem.Mol(molecule)
    Chem.CanonicalizeEnhancedStereo(copy)
    extension = int(Chem.CXSmilesFields.CX_ENHANCEDSTEREO)
    return str(Chem.MolToCXSmiles(copy, Chem.SmilesWriteParams(), extension))


def _parse(text: str) -> Any:
    from rdkit import Chem

    if not text:
        return Unreadable("an empty cell")
    if "\n" in text or "\r" in text:
        return Unreadable("a line break inside the SMILES")
    smiles, _, rest = text.strip().partition(" ") if "\t" not in text else text.strip().partition("\t")
    rest = rest.strip()
    extension = rest.startswith("|") and rest.find("|", 1) > 0
    name = rest[rest.find("|", 1) + 1 :].strip() if extension else rest
    if name and (broken := _broken(smiles, name)):
        return Unreadable(broken)
    source = f"{smiles} {rest[: rest.find('|', 1) + 1]}" if extension else smiles
    molecule: Any = Chem.MolFromSmiles(source)
    if molecule is None:
        return Unreadable(_reason(smiles) if not extension else "not valid CXSMILES")
    return Unreadable("no atoms") if molecule.GetNumAtoms() == 0 else molecule


def _broken(smiles: str, name: str) -> str:
    """Why the text after a SMILES may be the rest of it; empty for a name."""
    from rdkit import Chem

    for word in name.split():
        if _BOND_SIGNS.search(word) or _ATOMS.fullmatch(word) or Chem.MolFromSmiles(word) is not None:
            return f"a blank inside: {word[:40]!r} after it reads as SMILES too"
    if Chem.MolFromSmiles(smiles + "".join(name.split())) is not None:
        return "a blank inside: without it the whole text is a SMILES"
    return ""


def _reason(text: str) -> str:
    from rdkit import Chem

    unchecked: Any = Chem.MolFromSmiles(text, sanitize=False)
    if unchecked is None:
        return "not valid SMILES"
    problems = Chem.DetectChemistryProblems(unchecked)
    return problems[0].Message() if problems else "not a valid molecule"
