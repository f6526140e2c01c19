"""Molecules that are awkward to batch: single atoms, ions, rings, stereo bonds, salts."""

SMILES = (
    "C",
    "CCO",
    "c1ccccc1",
    "O",
    "CC(=O)Oc1ccccc1C(=O)O",
    "[Na+].[Cl-]",
    "C/C=C/C",
    "N[C@@H](C)C(=O)O",
    "C1CC2CCC1C2",
    "ClC(Cl)(Cl)Cl",
    "CS(C)=O",
    "[He]",
)
