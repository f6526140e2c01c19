import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gradprobe.encoders import ENCODERS, get
from gradprobe.errors import InputError
from tests.encoders._molecules import SMILES

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

CASES = (
    ("mlp", {}),
    ("mlp", {"features": "rdkit2d", "depth": 1}),
    ("dmpnn", {}),
    ("dmpnn", {"aggregation": "norm", "depth": 2}),
    ("gine", {}),
    ("gine", {"norm": "none", "pooling": "add", "depth": 1}),
)
cases = pytest.mark.parametrize(("name", "options"), CASES, ids=str)


def prepare(name, options):
    spec = get(name)
    chosen = spec.options(width=16, **options)
    features = spec.featurise(SMILES, chosen, None)
    features.fit(np.arange(len(SMILES)))
    torch.manual_seed(0)
    return features, spec.build(chosen, features).eval()


@cases
def test_an_encoder_gives_one_row_of_its_width_for_each_molecule(name, options):
    features, encoder = prepare(name, options)
    assert len(features) == len(SMILES)
    assert encoder.width == 16
    assert encoder(features.batch(np.arange(len(SMILES)))).shape == (len(SMILES), 16)


@cases
def test_what_a_molecule_becomes_does_not_depend_on_its_neighbours_in_the_batch(name, options):
    features, encoder = prepare(name, options)
    together = encoder(features.batch(np.array([4, 0, 2, 4])))
    alone = torch.cat([encoder(features.batch(np.array([row]))) for row in (4, 0, 2, 4)])
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together[0], together[2])


@cases
def test_molecules_without_bonds_have_a_representation_and_gradients(name, options):
    features, encoder = prepare(name, options)
    representation = encoder(features.batch(np.array([0, 3])))
    representation.sum().backward()
    assert representation.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


@cases
def test_the_notes_are_plain_json(name, options):
    import json

    features, _ = prepare(name, options)
    assert json.loads(json.dumps(features.notes())) == features.notes()


@pytest.mark.parametrize("name", ENCODERS)
def test_a_misspelt_option_is_an_error(name):
    with pytest.raises(ValidationError, match="widht"):
        get(name).options(widht=3)


def test_an_unknown_encoder_lists_the_known_ones():
    with pytest.raises(InputError, match=r"mlp, dmpnn, gine, got 'transformer'"):
        get("transformer")


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("text", ["not a molecule", ""])
def test_an_unreadable_molecule_is_named(name, text):
    with pytest.raises(InputError, match=f"row 1, got '{text}'"):
        get(name).featurise(("CCO", text), get(name).options(), None)


def test_the_gine_layers_are_those_of_the_equation():
    """h' = nn(h + sum over neighbours of relu(h_j + lin(e_ij))), atom by atom."""
    features, encoder = prepare("gine", {"depth": 1, "pooling": "add", "norm": "none"})
    batch = features.batch(np.array([1]))
    atoms = encoder.embed(batch.x)
    convolution = encoder.convolutions[0]
    expected = torch.zeros(16)
    for i in range(len(atoms)):
        message = torch.zeros(16)
        for edge, (source, target) in enumerate(batch.edge_index.T.tolist()):
            if target == i:
                message = message + torch.relu(atoms[source] + convolution.lin(batch.edge_attr[edge]))
        expected = expected + torch.relu(convolution.nn(atoms[i] + message))
    torch.testing.assert_close(encoder(batch)[0], expected)
