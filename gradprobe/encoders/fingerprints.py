"""Morgan (ECFP) fingerprints, stored packed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.encoders.cache import Arrays, load_or_compute, version_of
from gradprobe.encoders.features import IntArray
from gradprobe.encoders.molecules import parse_molecules

BITS = 2048
RADIUS = 2


class MorganFeatures:
    """Fingerprint bits [n, 2048] of n molecules, eight to a byte until a batch is asked for."""

    width = BITS

    def __init__(self, packed: npt.NDArray[np.uint8]) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed)

    def fit(self, train_rows: IntArray) -> None:
        """Nothing is estimated: bits are used as they are."""

    def batch(self, rows: IntArray) -> Tensor:
        """The bits [b, 2048] of some molecules as float32 zeros and ones."""
        return torch.from_numpy(np.unpackbits(self._packed[rows], axis=1).astype(np.float32))

    def notes(self) -> dict[str, object]:
        """The kind of fingerprint."""
        return {"features": "morgan", "columns": BITS, "radius": RADIUS}


def morgan_features(smiles: Sequence[str], cache: Path | None) -> MorganFeatures:
    """Morgan fingerprints (2048 bits, radius 2, chirality ignored) of some molecules.

    Raises:
        InputError: a SMILES cannot be read.
        MissingExtraError: RDKit is not installed.
    """

    def compute() -> Arrays:
        from rdkit.Chem import rdFingerprintGenerator

        generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
        packed = np.zeros((len(smiles), BITS // 8), dtype=np.uint8)
        for row, molecule in enumerate(parse_molecules(smiles)):
            packed[row] = np.packbits(generator.GetFingerprintAsNumPy(molecule))
        return {"packed": packed}

    recipe = {"features": "morgan", "bits": BITS, "radius": RADIUS, "rdkit": version_of("rdkit")}
    arrays = load_or_compute(compute, smiles=smiles, recipe=recipe, names=("packed",), cache=cache)
    return MorganFeatures(arrays["packed"])
