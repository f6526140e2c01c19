"""Molecular graphs, featurised once by chemprop and kept as flat arrays.

Both graph encoders read the same atoms and bonds, so that what differs between them is the
architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradprobe.encoders.cache import Arrays, load_or_compute, version_of
from gradprobe.encoders.features import IntArray
from gradprobe.encoders.molecules import parse_molecules

_ARRAYS = ("atoms", "bonds", "ends", "atom_offsets", "bond_offsets")


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """The graphs of b molecules as one disconnected graph.

    Atoms [V, d] and directed bonds [E, d] in the order of the molecules, the two directions of a
    bond side by side; `ends` [2, E] are the first and last atom of each bond, `owner` [V] is the
    molecule of each atom, and molecule i has the atoms `first_atom[i]:first_atom[i + 1]`.
    """

    atoms: npt.NDArray[np.float32]
    bonds: npt.NDArray[np.float32]
    ends: IntArray
    owner: IntArray
    first_atom: IntArray


@dataclass(frozen=True, eq=False)
class FlatGraphs:
    """The graphs of n molecules: all atoms, all directed bonds, and where each molecule's begin.

    `ends` [2, E] counts atoms within each molecule.
    """

    atoms: npt.NDArray[np.float32]
    bonds: npt.NDArray[np.float32]
    ends: IntArray
    atom_offsets: IntArray
    bond_offsets: IntArray

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    def select(self, rows: IntArray) -> GraphBatch:
        """The graphs of some molecules, in that order; a row may occur twice."""
        atoms, owner = _positions(self.atom_offsets, rows)
        bonds, bond_owner = _positions(self.bond_offsets, rows)
        sizes = self.atom_offsets[rows + 1] - self.atom_offsets[rows]
        first_atom = np.concatenate([[0], np.cumsum(sizes)])
        return GraphBatch(
            atoms=self.atoms[atoms],
            bonds=self.bonds[bonds],
            ends=self.ends[:, bonds] + first_atom[bond_owner],
            owner=owner,
            first_atom=first_atom,
        )


class GraphFeatures:
    """Flat graphs, and how a library wants a batch of them."""

    def __init__(self, graphs: FlatGraphs, assemble: Callable[[GraphBatch], Any]) -> None:
        self._graphs = graphs
        self._assemble = assemble

    def __len__(self) -> int:
        return len(self._graphs)

    @property
    def atom_width(self) -> int:
        """The number of features of an atom."""
        return int(self._graphs.atoms.shape[1])

    @property
    def bond_width(self) -> int:
        """The number of features of a bond."""
        return int(self._graphs.bonds.shape[1])

    def fit(self, train_rows: IntArray) -> None:
        """Nothing is estimated: atoms and bonds are used as they are."""

    def batch(self, rows: IntArray) -> Any:
        """The library's batch of some molecules [b], in that order."""
        return self._assemble(self._graphs.select(np.asarray(rows, dtype=np.int64)))

    def notes(self) -> dict[str, object]:
        """The widths of the atom and bond features."""
        return {"features": "graph", "atom_width": self.atom_width, "bond_width": self.bond_width}


def molecular_graphs(smiles: Sequence[str], cache: Path | None) -> FlatGraphs:
    """The graphs of some molecules with chemprop's default atom and bond features.

    Raises:
        InputError: a SMILES cannot be read.
        MissingExtraError: RDKit or chemprop is not installed.
    """

    def compute() -> Arrays:
        from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer

        featurizer = SimpleMoleculeMolGraphFeaturizer()
        graphs = [featurizer(molecule) for molecule in parse_molecules(smiles)]
        return {
            "atoms": np.concatenate([graph.V for graph in graphs]).astype(np.float32),
            "bonds": np.concatenate([graph.E for graph in graphs]).astype(np.float32),
            "ends": np.concatenate([graph.edge_index for graph in graphs], axis=1).astype(np.int64),
            "atom_offsets": np.cumsum([0] + [len(graph.V) for graph in graphs]),
            "bond_offsets": np.cumsum([0] + [len(graph.E) for graph in graphs]),
        }

    recipe = {"features": "graph", "chemprop": version_of("chemprop"), "rdkit": version_of("rdkit")}
    arrays = load_or_compute(compute, smiles=smiles, recipe=recipe, names=_ARRAYS, cache=cache)
    return FlatGraphs(**{name: arrays[name] for name in _ARRAYS})


def _positions(offsets: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Positions of the items of some rows in flat arrays, and the place in `rows` of each item."""
    counts = offsets[rows + 1] - offsets[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(owner)) + (offsets[rows] - before)[owner], owner
