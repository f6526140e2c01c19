"""Molecules to their parents: the largest fragment, neutral."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from gradprobe.data.molecules import Unreadable, parse_molecules, write_smiles

Standardization = Literal["none", "parent", "tautomer"]


def parents(smiles: Sequence[str], kind: Standardization) -> Iterator[str | Unreadable]:
    """What each SMILES [r] becomes: itself, its parent, or its parent's canonical tautomer.

    A parent is RDKit's largest organic fragment, its charges neutralised where that leaves a valid molecule;
    stereochemistry stays. `none` only canonicalises.

    Raises:
        MissingExtraError: RDKit is not installed.
    """
    for molecule in parse_molecules(smiles):
        if isinstance(molecule, Unreadable):
            yield molecule
        elif kind == "none":
            yield write_smiles(molecule)
        else:
            yield _standardized(molecule, kind)


def parent_keys(smiles: Sequence[str]) -> list[str]:
    """A key [n] for each molecule that salts, charges and stereoisomers of one parent share."""
    from rdkit import Chem
    from rdkit.rdBase import BlockLogs

    keys = []
    for text, molecule in zip(smiles, parse_molecules(smiles), strict=True):
        if isinstance(molecule, Unreadable):
            keys.append(text)
            continue
        with BlockLogs():
            parent = _parent(molecule)
            keys.append(str(Chem.MolToSmiles(parent, isomericSmiles=False)))
    return keys


def _standardized(molecule: Any, kind: Standardization) -> str | Unreadable:
    from rdkit.rdBase import BlockLogs

    try:
        with BlockLogs():
            parent = _parent(molecule)
            if kind == "tautomer":
                parent = _tautomers().Canonicalize(parent)
            return write_smiles(parent)
    except (RuntimeError, ValueError) as error:  # RDKit's exceptions for what it cannot sanitise
        return Unreadable(f"cannot be standardised ({' '.join(str(error).split())[:80]})")


def _parent(molecule: Any) -> Any:
    chooser, uncharger = _tools()
    return uncharger.uncharge(chooser.choose(molecule))


@lru_cache(maxsize=1)
def _tools() -> tuple[Any, Any]:
    from rdkit.Chem.MolStandardize import rdMolStandardize

    options: Any = rdMolStandardize.CleanupParameters()
    options.preferOrganic = True
    return rdMolStandardize.LargestFragmentChooser(options), rdMolStandardize.Uncharger()


@lru_cache(maxsize=1)
def _tautomers() -> Any:
    from rdkit.Chem.MolStandardize import rdMolStandardize

    return rdMolStandardize.TautomerEnumerator()
