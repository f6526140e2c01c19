import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.editing import Editor, SideNetwork, fit_side_network

from ._toys import node_classifier, node_model, ring, rows, same, snapshot


def parts():
    x, labels = rows(dtype=torch.float32)
    fitted = node_classifier("gcn")
    return fitted.model.float(), x, ring(len(x)), labels.sort().values, fitted.train


def test_the_sum_of_frozen_model_and_perceptron_is_the_prediction():
    base, x, edges, _, _ = parts()
    network = SideNetwork(base, node_model("mlp", seed=1).float())
    expected = base(x, edges) + network.side(x, edges)
    torch.testing.assert_close(network(x, edges), expected)


def test_fitting_brings_the_sum_near_the_model_and_leaves_the_model_alone():
    base, x, edges, labels, train = parts()
    before = snapshot(base)
    network = fit_side_network(base, x, edges, labels, train, iterations=60, width=8)
    unfitted = fit_side_network(base, x, edges, labels, train, iterations=1, width=8)
    with torch.no_grad():
        wanted = base(x, edges).softmax(dim=1)
        near, far = ((wanted - n(x, edges).softmax(dim=1)).abs().mean() for n in (network, unfitted))
    assert near < far
    assert same(base, before)
    assert all(parameter.requires_grad for parameter in base.parameters())


def test_fitting_depends_on_the_seed_and_not_on_the_callers_random_state():
    base, x, edges, labels, train = parts()
    first = fit_side_network(base, x, edges, labels, train, iterations=2, width=4, seed=3)
    state = torch.get_rng_state()
    torch.manual_seed(7)
    second = fit_side_network(base, x, edges, labels, train, iterations=2, width=4, seed=3)
    assert same(first, snapshot(second))
    torch.set_rng_state(state)


def test_edits_reach_the_perceptron_alone_and_the_frozen_model_stays_in_eval_mode():
    base, x, edges, labels, train = parts()
    network = fit_side_network(base, x, edges, labels, train, iterations=5, width=8)
    frozen, side = snapshot(network.base), snapshot(network.side)
    classifier = network.classifier(x, edges, labels, train)
    editor = Editor(classifier, learning_rate=0.05, mode="train", method="gre")
    editor.edit(1, (int(network(x, edges)[1].argmax()) + 1) % 3)
    assert same(network.base, frozen)
    assert not same(network.side, side)
    assert sum(p.numel() for p in classifier.parameters) == sum(p.numel() for p in network.side.parameters())
    assert not network.train().base.training


def test_the_classifier_predicts_what_the_network_does():
    base, x, edges, labels, train = parts()
    network = fit_side_network(base, x, edges, labels, train, iterations=3, width=8)
    classifier = network.classifier(x, edges, labels, train)
    ids = torch.tensor([5, 3])
    torch.testing.assert_close(classifier.logits(ids), network(x, edges)[ids])


def test_numbers_below_one_are_refused():
    base, x, edges, labels, train = parts()
    with pytest.raises(InputError, match="iterations: expected a number of at least 1, got 0"):
        fit_side_network(base, x, edges, labels, train, iterations=0)
