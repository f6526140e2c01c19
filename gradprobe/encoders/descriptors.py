"""RDKit's two-dimensional descriptors, standardised on the train split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.encoders.cache import Arrays, load_or_compute, version_of
from gradprobe.encoders.features import IntArray
from gradprobe.encoders.molecules import parse_molecules
from gradprobe.errors import InputError

# Ipc grows exponentially with the size of a molecule and reaches 1e40; everything else stays below 1e5.
LARGEST = 1e6
# A count that is zero in all but a few train molecules has a tiny deviation, and one molecule with
# such a group would dominate its batch.
CLIP = 10.0


class DescriptorFeatures:
    """Descriptors [n, k] of n molecules, standardised by the means and deviations of train rows.

    Columns without use are dropped by `fit` and named, with the reason, in `notes`: not finite for
    some molecule, larger than 1e6, or constant on the train rows. Standardised values are clipped
    at +-10.
    """

    def __init__(self, names: Sequence[str], values: npt.NDArray[np.float64]) -> None:
        self._names = tuple(names)
        self._values = values
        self._standardised: npt.NDArray[np.float32] | None = None
        self._dropped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def width(self) -> int:
        """The number of columns that `fit` kept."""
        return int(self._fitted().shape[1])

    def fit(self, train_rows: IntArray) -> None:
        """Choose the usable columns and standardise them by the train rows.

        Raises:
            InputError: no column is usable.
        """
        train = self._values[train_rows]
        with np.errstate(invalid="ignore", over="ignore"):
            constant = train.min(axis=0) == train.max(axis=0)
            reasons = {
                "not finite": ~np.isfinite(self._values).all(axis=0),
                f"larger than {LARGEST:g}": np.abs(self._values).max(axis=0) > LARGEST,
                "constant on the train split": constant,
            }
        keep = ~np.logical_or.reduce(list(reasons.values()))
        if not keep.any():
            raise InputError(
                f"train_rows: expected molecules that differ in some descriptor, got {len(train)} "
                "that do not; use fingerprints (features='morgan') or more molecules"
            )
        self._dropped = {
            self._names[column]: next(reason for reason, mask in reasons.items() if mask[column])
            for column in np.flatnonzero(~keep)
        }
        kept = train[:, keep]
        scaled = (self._values[:, keep] - kept.mean(axis=0)) / kept.std(axis=0)
        self._standardised = np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def batch(self, rows: IntArray) -> Tensor:
        """The standardised descriptors [b, k] of some molecules, float32.

        Raises:
            InputError: `fit` was not called.
        """
        return torch.from_numpy(self._fitted()[rows])

    def notes(self) -> dict[str, object]:
        """The columns that were dropped, with the reason of each."""
        return {"features": "rdkit2d", "columns": self.width, "clip": CLIP, "dropped": dict(self._dropped)}

    def _fitted(self) -> npt.NDArray[np.float32]:
        if self._standardised is None:
            raise InputError(
                "features: expected descriptors fitted on the train split; call fit(train_rows) first"
            )
        return self._standardised


def descriptor_features(smiles: Sequence[str], cache: Path | None) -> DescriptorFeatures:
    """All of RDKit's two-dimensional descriptors of some molecules.

    Raises:
        InputError: a SMILES cannot be read.
        MissingExtraError: RDKit is not installed.
    """

    def compute() -> Arrays:
        from rdkit.Chem import Descriptors
        from rdkit.rdBase import BlockLogs

        calculate: Any = Descriptors.CalcMolDescriptors
        names = [name for name, _ in Descriptors.descList]
        values = np.zeros((len(smiles), len(names)))
        # Some descriptors parse fragments of their own and would warn about each on stderr.
        with BlockLogs():
            for row, molecule in enumerate(parse_molecules(smiles)):
                computed = calculate(molecule, missingVal=np.nan, silent=True)
                values[row] = [computed[name] for name in names]
        return {"names": np.array(names), "values": values}

    recipe = {"features": "rdkit2d", "rdkit": version_of("rdkit")}
    arrays = load_or_compute(compute, smiles=smiles, recipe=recipe, names=("names", "values"), cache=cache)
    return DescriptorFeatures([str(name) for name in arrays["names"]], arrays["values"])
