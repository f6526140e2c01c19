import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.data.graphs import load_graph
from gradprobe.errors import InputError
from gradprobe.geometry.graph import node_features, node_graph
from gradprobe.graphs import build_node_model, graph_tensors
from gradprobe.graphs.explain import ReasonedModel, Reasoner, Standardisation

FEATURES = np.random.default_rng(0).normal(size=(7, 6)) * 10.0 ** np.arange(6)
TRAIN = np.array([0, 2, 5])


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.layer(x)


def test_features_are_standardised_on_the_training_nodes_alone() -> None:
    found = Standardisation.of(FEATURES, TRAIN).apply(FEATURES)
    assert found[TRAIN].mean(axis=0) == pytest.approx(np.zeros(6))
    assert found[TRAIN].std(axis=0) == pytest.approx(np.ones(6))
    moved = FEATURES.copy()
    moved[1] = 1e9
    assert Standardisation.of(moved, TRAIN).apply(FEATURES) == pytest.approx(found)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_a_feature_without_spread_stays_finite(value: float) -> None:
    features = FEATURES.copy()
    features[TRAIN, 3] = value
    found = Standardisation.of(features, TRAIN).apply(features)
    assert np.isfinite(found).all()
    assert found[TRAIN, 3].tolist() == [0.0] * 3
    assert found[1, 3] == pytest.approx(features[1, 3] - value)


def test_what_is_undefined_becomes_the_mean_and_moves_no_statistic() -> None:
    features = FEATURES.copy()
    features[2, 0] = np.nan
    features[:, 1] = np.nan
    standard = Standardisation.of(features, TRAIN)
    assert standard.mean[0] == pytest.approx(FEATURES[[0, 5], 0].mean())
    found = standard.apply(features)
    assert found[2, 0] == 0.0
    assert found[:, 1].tolist() == [0.0] * 7


def test_standardising_on_no_node_is_refused() -> None:
    with pytest.raises(InputError, match="train: expected at least one training node"):
        Standardisation.of(FEATURES, np.array([], dtype=np.int64))


def test_the_reasoner_is_equation_16_written_out() -> None:
    reasoner = Reasoner(3, width=5, seed=1)
    nn.init.normal_(reasoner.second.weight)
    context = torch.randn(4, 6)
    w1, b1, w2, b2 = (parameter.detach() for parameter in reasoner.parameters())
    for row, embedded in zip(context, reasoner(context), strict=True):
        assert torch.allclose(embedded, w2 @ torch.clamp(w1 @ row + b1, min=0.0) + b2, atol=1e-6)


def test_the_reasoner_depends_on_its_seed_and_leaves_the_caller_s_random_state() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (Reasoner(3, seed=seed).first.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="outputs: expected"):
        Reasoner(0, seed=1)


def test_the_signal_starts_at_nothing_and_learns_from_what_is_remembered() -> None:
    plain, x, edges = Plain(), torch.randn(7, 4), torch.zeros(2, 0, dtype=torch.int64)
    model = ReasonedModel(plain, Reasoner(3, seed=0))
    defined = np.ones((7, 6), dtype=bool)
    defined[1, 2] = False
    assert torch.equal(model(x, edges), plain(x, edges))
    model.remember(FEATURES, defined, TRAIN)
    assert torch.equal(model(x, edges), plain(x, edges))
    assert not model.context.requires_grad
    assert model.context[1, 2] == 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(x, edges).square().sum().backward()
        optimizer.step()
    assert model.reasoner.first.weight.grad.abs().sum() > 0
    assert not torch.equal(model(x, edges), plain(x, edges))


def logits_after_training(labels: np.ndarray) -> Tensor:
    """A GCN on karate whose features of each step join its logits from the next step on."""
    pytest.importorskip("torch_geometric", reason="the graphs extra is not installed")
    graph = load_graph("karate")
    x, edges, _ = graph_tensors(graph)
    y, train = torch.tensor(labels), graph.splits[0].train
    gcn = build_node_model("gcn", inputs=x.shape[1], classes=graph.classes, width=8, dropout=0.0, seed=0)
    model = ReasonedModel(gcn, Reasoner(graph.classes, seed=0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        hidden: list[Tensor] = []
        handle = gcn.convs[0].register_forward_hook(
            lambda conv, inputs, output, kept=hidden: kept.append(output)
        )
        logits = model(x, edges)
        handle.remove()
        hidden[0].retain_grad()
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits[train], y[train]).backward()
        optimizer.step()
        shape = node_graph(graph.edge_index, graph.nodes)
        confidences = logits.detach().softmax(1).amax(1).numpy()
        found = node_features(hidden[0].grad.numpy(), shape, confidences=confidences)
        model.remember(found.vectors, found.defined, train)
    return model(x, edges).detach()


def test_the_signal_learns_on_a_graph_without_looking_at_a_held_out_label() -> None:
    graph = load_graph("karate")
    flipped = graph.labels.copy()
    flipped[graph.splits[0].test] = (flipped[graph.splits[0].test] + 1) % graph.classes
    first = logits_after_training(graph.labels)
    assert torch.isfinite(first).all()
    assert torch.equal(first, logits_after_training(flipped))
