from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gradprobe.data.graphs import stochastic_block_model
from gradprobe.errors import InputError
from gradprobe.graphs import build_node_model
from gradprobe.graphs.gragr import ABLATION, METHODS, GraGROptions, NodeTrainingOptions, train_nodes
from gradprobe.graphs.gragr.options import method_options
from gradprobe.graphs.metrics import class_scores
from gradprobe.graphs.node_data import NodeData


@pytest.fixture(scope="module")
def graph():
    return stochastic_block_model(homophily=0.8, seed=0)


def run(graph, method="base", *, seed=0, observer=None, **training):
    data = NodeData.of(graph, graph.splits[0], seed=seed)

    def build(start):
        return build_node_model("gcn", inputs=data.x.shape[1], classes=graph.classes, width=8, seed=start)

    options = NodeTrainingOptions(**{"epochs": 8, "trial_epochs": 3, **training})
    return train_nodes(build, data, method=METHODS[method], training=options, seed=seed, observer=observer)


@pytest.mark.parametrize("method", ["base", "gragr", "gragr++"])
def test_a_run_depends_on_its_seed_alone_and_leaves_the_random_state(graph, method):
    torch.manual_seed(1)
    first = run(graph, method, candidates=2)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == drawn
    second, other = run(graph, method, candidates=2), run(graph, method, seed=1, candidates=2)
    losses = [[epoch.loss for epoch in result.history] for result in (first, second, other)]
    assert losses[0] == losses[1] != losses[2]


def test_the_start_of_the_lowest_loss_at_the_end_of_the_trial_goes_on(graph):
    result = run(graph, candidates=3)
    finals = [trial[-1].validation_loss for trial in result.trials]
    assert [len(trial) for trial in result.trials] == [3, 3, 3]
    assert result.chosen == int(np.argmin(finals))
    assert result.history[:3] == result.trials[result.chosen]
    assert [epoch.epoch for epoch in result.history] == list(range(1, 9))


def test_one_start_is_the_first_of_several(graph):
    alone, several = run(graph), run(graph, candidates=2)
    pairs = zip(alone.history[:3], several.trials[0], strict=True)
    assert all(a.loss == b.loss for a, b in pairs)
    assert alone.trials == ()


def test_the_best_epoch_is_restored_and_scored(graph):
    result = run(graph)
    data = NodeData.of(graph, graph.splits[0], seed=0)
    best = max(result.history, key=lambda epoch: (epoch.accuracy, -epoch.validation_loss))
    assert result.best_epoch == best.epoch
    assert result.validation.accuracy == pytest.approx(best.accuracy)
    predicted = result.model.eval()(data.x, data.edge_index).argmax(1)
    expected = float((predicted == data.y)[data.test].double().mean())
    assert result.test.accuracy == pytest.approx(expected)


def test_of_equal_epochs_the_first_is_kept(graph):
    assert run(graph, learning_rate=1e-30).best_epoch == 1


def test_an_observer_hears_of_every_epoch_of_every_start(graph):
    heard = []
    run(graph, candidates=2, observer=lambda start, epoch, _: heard.append((start, epoch.epoch)))
    chosen = run(graph, candidates=2).chosen
    assert heard[:6] == [(start, epoch) for start in (0, 1) for epoch in (1, 2, 3)]
    assert heard[6:] == [(chosen, epoch) for epoch in range(4, 9)]


def test_every_row_of_the_ablation_differs_from_its_whole_in_one_part():
    parts = ("conflict", "alignment", "attention", "meta", "schedule", "pathways")
    assert set(ABLATION) <= set(METHODS)
    for name in METHODS:
        whole, _, missing = name.partition("-no-")
        if missing:
            differing = [p for p in parts if getattr(METHODS[name], p) != getattr(METHODS[whole], p)]
            assert differing == [missing]
    assert not METHODS["base"].reasons
    assert METHODS["gragr++"] == GraGROptions(**dict.fromkeys(parts, True))


def test_an_unknown_method_is_told():
    with pytest.raises(InputError, match="method: expected one of base, gragr"):
        method_options("gragr+++")


def test_validation_nodes_are_halved_without_touching_the_others(graph):
    split = graph.splits[0]
    data = NodeData.of(graph, split, seed=3)
    parts = [set(nodes.tolist()) for nodes in (data.train, data.selection, data.meta, data.test)]
    assert parts[1] | parts[2] == set(split.validation.tolist())
    assert 0 <= len(parts[1]) - len(parts[2]) <= 1
    assert sum(len(part) for part in parts) == len(set.union(*parts))
    assert torch.equal(data.meta, NodeData.of(graph, split, seed=3).meta)
    assert not torch.equal(data.meta, NodeData.of(graph, split, seed=4).meta)


def test_features_are_divided_by_their_sum_unless_asked_not_to(graph):
    data = NodeData.of(graph, graph.splits[0], seed=0)
    sums = data.x.abs().sum(1)
    torch.testing.assert_close(sums[sums > 0], torch.ones(int((sums > 0).sum())))
    raw = NodeData.of(graph, graph.splits[0], seed=0, normalise=False)
    np.testing.assert_allclose(raw.x.numpy(), graph.features.astype(np.float32))


@pytest.mark.parametrize("kind", ["gcn", "gat", "sage"])
@pytest.mark.parametrize("method", ["base", "gragr", "gragr++"])
def test_sparse_features_give_the_run_of_dense_ones(graph, kind, method):
    words = (np.random.default_rng(0).random((graph.nodes, 60)) < 0.08).astype(float)
    bag = replace(graph, features=words)
    histories = []
    for sparse in (False, True):
        data = NodeData.of(bag, bag.splits[0], seed=0, sparse=sparse)
        assert data.x.is_sparse == sparse
        result = train_nodes(
            lambda start: build_node_model(kind, inputs=60, classes=graph.classes, width=8, seed=start),
            data,
            method=method_options(method, warmup=2, plateau=9.0),
            training=NodeTrainingOptions(epochs=5),
            seed=0,
        )
        histories.append([epoch.loss for epoch in result.history])
    np.testing.assert_allclose(*histories, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "split.train: expected at least 1 nodes, got 0"),
        ({"validation": [3]}, "split.validation: expected at least 2 nodes, got 1"),
        ({"test": [8]}, "split.test: expected nodes with a label"),
    ],
)
def test_a_split_that_cannot_be_used_is_told(changes, message):
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, -1])
    graph = SimpleNamespace(
        features=np.ones((9, 2)), edge_index=np.zeros((2, 0), dtype=np.int64), labels=labels
    )
    parts = {"train": [0, 1], "validation": [2, 3], "test": [4, 5], **changes}
    split = SimpleNamespace(**{name: np.array(nodes, dtype=np.int64) for name, nodes in parts.items()})
    with pytest.raises(InputError, match=message):
        NodeData.of(graph, split, seed=0)


def test_scores_are_those_by_hand():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0]])
    scores = class_scores(labels, probabilities)
    assert scores.accuracy == 0.75
    # Class 0: precision 1, recall 1/2; class 1: precision 2/3, recall 1; class 2 does not occur.
    assert scores.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.auroc == 1.0
    assert np.isnan(class_scores(labels * 0, probabilities[:, :1]).auroc)
    assert np.isnan(class_scores(labels, probabilities * np.nan).accuracy)
