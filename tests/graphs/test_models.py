import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.nn import SAGEConv

from gradprobe.errors import InputError
from gradprobe.graphs import build_node_model, graph_tensors
from gradprobe.graphs.dropout import FeatureDropout

KINDS = ("gcn", "gat", "gin", "sage", "mlp")
# A path of four nodes, both directions of every edge, and an isolated fifth node.
EDGES = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])


def features(width: int = 6) -> torch.Tensor:
    return torch.randn(5, width, generator=torch.Generator().manual_seed(1))


def build(kind, **options):
    return build_node_model(kind, **{"inputs": 6, "classes": 3, "width": 16, "seed": 0, **options})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_layer_puts_out_its_width_and_the_last_the_logits(kind, layers):
    model = build(kind, layers=layers).eval()
    outputs = model.representations(features(), EDGES)
    assert [tuple(output.shape) for output in outputs] == [(5, 16)] * (layers - 1) + [(5, 3)]
    assert len(model.convs) == layers
    torch.testing.assert_close(model(features(), EDGES), outputs[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_parameters_and_the_random_state_stays(kind):
    torch.manual_seed(5)
    first = build(kind, seed=3)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    second, other = build(kind, seed=3), build(kind, seed=4)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, dict(second.named_parameters())[name])
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_gcn_is_the_formula_of_its_paper():
    model = build("gcn").eval()
    dense = torch.zeros(5, 5)
    dense[EDGES[1], EDGES[0]] = 1.0
    dense += torch.eye(5)
    scale = dense.sum(1).rsqrt()
    mixing = scale[:, None] * dense * scale[None, :]
    (w1, b1), (w2, b2) = ((conv.lin.weight, conv.bias) for conv in model.convs)
    hidden = torch.relu(mixing @ features() @ w1.T + b1)
    torch.testing.assert_close(model(features(), EDGES), mixing @ hidden @ w2.T + b2)


def test_a_narrowing_sage_layer_is_the_function_of_pyg():
    layer = build("sage", inputs=20, layers=1, classes=3).convs[0]
    plain = SAGEConv(20, 3)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(features(20), EDGES), plain(features(20), EDGES))


def test_dropout_of_features_draws_for_nonzero_entries_alone_and_keeps_the_mean():
    dropout = FeatureDropout(0.5)
    x = (torch.rand(400, 50, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = dropout(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not dropped[x == 0].any()
    assert float(dropped.sum() / x.sum()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(dropout.eval()(x), x)


def test_dropout_looks_anew_at_features_that_changed_and_forgets_them_in_a_copy():
    dropout = FeatureDropout(0.5)
    x = torch.zeros(20, 20)
    assert not dropout(x).any()
    x += 1.0
    assert dropout(x).any()
    assert copy.deepcopy(dropout)(x).any()
    assert pickle.loads(pickle.dumps(dropout))(x).any()


def test_a_residual_layer_adds_its_input_where_the_widths_agree():
    plain, skip = build("sage", layers=3).eval(), build("sage", layers=3, residual=True).eval()
    a, b = plain.representations(features(), EDGES), skip.representations(features(), EDGES)
    torch.testing.assert_close(a[0], b[0])
    torch.testing.assert_close(a[1] + a[0], b[1])
    torch.testing.assert_close(skip.convs[2](b[1], EDGES), b[2])


def test_representations_are_live():
    model = build("gcn", layers=3)
    outputs = model.representations(features(), EDGES)
    gradients = torch.autograd.grad(outputs[-1].sum(), outputs[:-1])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_attention_heads_divide_the_width():
    assert build("gat", width=12).convs[0].heads == 4
    assert build("gat", width=64).convs[0].heads == 8
    assert build("gat").convs[-1].heads == 1


def test_tensors_are_copies_in_the_types_that_layers_want():
    dataset = SimpleNamespace(
        features=np.ones((5, 2)), edge_index=EDGES.numpy().astype(np.int32), labels=np.array([0, 1, 1, 0, -1])
    )
    x, edge_index, y = graph_tensors(dataset)
    assert (x.dtype, edge_index.dtype, y.dtype) == (torch.float32, torch.int64, torch.int64)
    x += 1
    assert dataset.features.max() == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "gpt"}, "kind: expected one of gcn, gat, gin, sage, mlp; got 'gpt'"),
        ({"width": 0}, "width: expected a number of at least 1"),
        ({"layers": 0}, "layers: expected a number of at least 1"),
        ({"dropout": 1.0}, "dropout: expected a rate"),
    ],
)
def test_impossible_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        build(options.pop("kind", "gcn"), **options)
