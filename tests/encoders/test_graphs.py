import numpy as np
import pytest
import torch
from chemprop.data import BatchMolGraph
from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
from rdkit import Chem

from gradprobe.encoders import get
from gradprobe.encoders.graphs import molecular_graphs
from tests.encoders._molecules import SMILES

LAST = len(SMILES) - 1
ROWS = (
    [0],
    [LAST],
    [0, 3, LAST],
    [0, 0, 0],
    [4, 1, 4, LAST, 0, 4],
    list(range(len(SMILES))),
    list(range(len(SMILES)))[::-1],
)


@pytest.fixture(scope="module")
def chemprop_graphs():
    featurizer = SimpleMoleculeMolGraphFeaturizer()
    return [featurizer(Chem.MolFromSmiles(text)) for text in SMILES]


@pytest.fixture(scope="module")
def dmpnn_features():
    return get("dmpnn").featurise(SMILES, get("dmpnn").options(), None)


@pytest.fixture(scope="module")
def gine_features():
    return get("gine").featurise(SMILES, get("gine").options(), None)


@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_a_batch_equals_the_one_chemprop_collates_from_its_own_graphs(rows, chemprop_graphs, dmpnn_features):
    ours, theirs = dmpnn_features.batch(np.array(rows)), BatchMolGraph([chemprop_graphs[row] for row in rows])
    assert type(ours) is BatchMolGraph
    assert len(ours) == len(theirs) == len(rows)
    for name in ("V", "E", "edge_index", "rev_edge_index", "batch"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other), name


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_a_batch_equals_the_one_pyg_collates_from_single_molecules(rows, chemprop_graphs, gine_features):
    from torch_geometric.data import Batch, Data

    singles = [
        Data(
            x=torch.from_numpy(graph.V).float(),
            edge_index=torch.from_numpy(graph.edge_index).long(),
            edge_attr=torch.from_numpy(graph.E).float(),
        )
        for graph in (chemprop_graphs[row] for row in rows)
    ]
    ours, theirs = gine_features.batch(np.array(rows)), Batch.from_data_list(singles)
    assert ours.num_graphs == theirs.num_graphs == len(rows)
    for name in ("x", "edge_index", "edge_attr", "batch", "ptr"):
        assert torch.equal(ours[name], theirs[name]), name


def test_a_batch_needs_no_chemistry_once_the_graphs_are_there(monkeypatch, dmpnn_features):
    def refuse(*_):
        raise AssertionError("RDKit was asked again")

    monkeypatch.setattr(Chem, "MolFromSmiles", refuse)
    assert len(dmpnn_features.batch(np.array([1, 2]))) == 2


def test_flat_graphs_survive_the_cache(tmp_path):
    fresh, stored = molecular_graphs(SMILES, tmp_path), molecular_graphs(SMILES, tmp_path)
    for name in ("atoms", "bonds", "ends", "atom_offsets", "bond_offsets"):
        assert getattr(fresh, name).dtype == getattr(stored, name).dtype
        np.testing.assert_array_equal(getattr(fresh, name), getattr(stored, name))
