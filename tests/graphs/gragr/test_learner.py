import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from gradprobe.errors import TrainingError
from gradprobe.graphs import build_node_model
from gradprobe.graphs.gragr import (
    METHODS,
    GatedConv,
    GraGROptions,
    NodeLearner,
    NodeTrainingOptions,
    conflict_loss,
    method_options,
)
from gradprobe.graphs.gragr.correction import smooth
from gradprobe.graphs.node_data import NodeData

from . import _graphs as graphs

SPLIT = {"train": [0, 1, 2, 3, 6], "selection": [4], "meta": [5], "test": [7, 8]}
KINDS = ("gcn", "gat", "gin", "sage")


def data(seed: int = 0) -> NodeData:
    x = torch.randn(graphs.NODES, 6, generator=torch.Generator().manual_seed(seed))
    parts = {name: torch.tensor(nodes) for name, nodes in SPLIT.items()}
    return NodeData(x=x, edge_index=graphs.edges().index, y=torch.arange(graphs.NODES) % 3, **parts)


def learner(options: GraGROptions, kind: str = "gcn", layers: int = 3, **changes) -> NodeLearner:
    model = build_node_model(kind, inputs=6, classes=3, width=8, layers=layers, dropout=0.0, seed=0)
    return NodeLearner(model, replace(data(), **changes), options, NodeTrainingOptions(weight_decay=0.0))


def gradients_of_step(options: GraGROptions, **changes) -> dict[str, torch.Tensor]:
    trained = learner(options, **changes)
    trained.step()
    return {name: p.grad for name, p in trained.model.named_parameters() if p.grad is not None}


def test_the_base_method_is_plain_training():
    trained = learner(METHODS["base"])
    plain = build_node_model("gcn", inputs=6, classes=3, width=8, layers=3, dropout=0.0, seed=0)
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    given = data()
    for _ in range(5):
        trained.step()
        plain.train()
        optimizer.zero_grad()
        cross_entropy(plain(given.x, given.edge_index)[given.train], given.y[given.train]).backward()
        optimizer.step()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(dict(trained.model.named_parameters())[name], parameter)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_without_effect_change_nothing(kind):
    options = method_options(
        "gragr", smoothing=0.0, cosine=-1.0, conflict_weight=0.0, temperature=0.0, meta_rate=0.0
    )
    plain, other = learner(METHODS["base"], kind), learner(options, kind)
    for _ in range(3):
        plain.step()
        other.step()
    for a, b in zip(plain.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_corrected_gradient_of_each_layer_is_what_the_layers_before_it_receive():
    options = GraGROptions(alignment=True, smoothing=0.8)
    found = gradients_of_step(options)
    model, given = learner(options).model, data()
    first, second, logits = model.representations(given.x, given.edge_index)
    loss = cross_entropy(logits[given.train], given.y[given.train])
    at_second = smooth(torch.autograd.grad(loss, second, retain_graph=True)[0], graphs.edges(), 0.8)
    (incoming,) = torch.autograd.grad(second, first, at_second, retain_graph=True)
    at_first = smooth(incoming, graphs.edges(), 0.8)
    weights = [conv.lin.weight for conv in model.convs]
    expected = [
        torch.autograd.grad(first, weights[0], at_first, retain_graph=True)[0],
        torch.autograd.grad(second, weights[1], at_second, retain_graph=True)[0],
        torch.autograd.grad(loss, weights[2])[0],
    ]
    for level, gradient in enumerate(expected):
        torch.testing.assert_close(found[f"convs.{level}.lin.weight"], gradient)


def test_the_conflict_loss_adds_its_own_gradient_uncorrected():
    options = GraGROptions(conflict=True, cosine=-1.0, conflict_weight=50.0)
    found = gradients_of_step(options)
    model, given = learner(options).model, data()
    *hidden, logits = model.representations(given.x, given.edge_index)
    loss = cross_entropy(logits[given.train], given.y[given.train])
    inner = torch.autograd.grad(loss, hidden, create_graph=True)
    total = loss + 50.0 * sum(conflict_loss(gradient, graphs.edges(), "raw") for gradient in inner)
    assert total > loss
    names = [name for name, _ in model.named_parameters()]
    for name, gradient in zip(
        names, torch.autograd.grad(total, list(model.parameters()), allow_unused=True), strict=True
    ):
        torch.testing.assert_close(found[name], gradient)


def test_the_correction_does_not_reach_the_gradient_of_the_conflict_loss():
    options = {"conflict": True, "alignment": True, "smoothing": 2.0}
    found = gradients_of_step(GraGROptions(**options, conflict_weight=50.0))
    without = gradients_of_step(GraGROptions(**options, conflict_weight=0.0))
    model, given = learner(GraGROptions()).model, data()
    *hidden, logits = model.representations(given.x, given.edge_index)
    loss = cross_entropy(logits[given.train], given.y[given.train])
    inner = torch.autograd.grad(loss, hidden, create_graph=True)
    penalty = 50.0 * sum(conflict_loss(gradient, graphs.edges(), "raw") for gradient in inner)
    weight = model.convs[0].lin.weight
    (expected,) = torch.autograd.grad(penalty, weight)
    assert expected.abs().max() > 1e-3
    name = "convs.0.lin.weight"
    torch.testing.assert_close(found[name] - without[name], expected, rtol=1e-4, atol=1e-6)


def test_attention_is_uniform_at_the_first_step_and_learned_at_the_second():
    options = GraGROptions(attention=True, temperature=4.0)
    plain, attending = learner(METHODS["base"]), learner(options)
    losses = [(plain.step().loss, attending.step().loss) for _ in range(2)]
    assert losses[0][0] == pytest.approx(losses[0][1])
    assert losses[1][0] != pytest.approx(losses[1][1], rel=1e-6)


@pytest.mark.parametrize("method", ["gragr", "gragr++"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_at_evaluation_do_not_depend_on_labels(method, kind):
    options = method_options(method, schedule=False, temperature=4.0, energy_threshold=0.0)
    trained = learner(options, kind)
    for _ in range(3):
        trained.step()
    before = trained.logits()
    trained.data = replace(trained.data, y=(trained.data.y + 1) % 3)
    assert torch.equal(trained.logits(), before)
    fresh = learner(options, kind)
    fresh.model.load_state_dict(trained.model.state_dict())
    torch.testing.assert_close(fresh.logits(), before)


@pytest.mark.parametrize("part", ["test", "selection"])
def test_training_does_not_depend_on_labels_held_back(part):
    outputs = []
    for shift in (0, 1):
        given = data()
        y = given.y.clone()
        y[SPLIT[part]] = (y[SPLIT[part]] + shift) % 3
        trained = learner(method_options("gragr++", schedule=False, energy_threshold=0.0), y=y)
        for _ in range(3):
            trained.step()
        outputs.append(trained.logits())
    assert torch.equal(*outputs)


def test_the_weights_move_at_every_fifth_step_only():
    trained = learner(GraGROptions(meta=True, meta_rate=50.0, meta_every=5))
    gammas = [trained.step().gamma for _ in range(5)]
    moved = [any(value != 1.0 for value in gamma) for gamma in gammas]
    assert moved == [False, False, False, False, True]


def test_the_weights_follow_the_labels_of_the_meta_nodes_and_keep_their_sum():
    gammas = []
    for shift in (0, 1):
        y = data().y.clone()
        y[SPLIT["meta"]] = (y[SPLIT["meta"]] + shift) % 3
        trained = learner(GraGROptions(meta=True, meta_rate=50.0), y=y)
        for _ in range(5):
            trained.step()
        gammas.append(trained.gamma)
    assert not torch.allclose(*gammas)
    assert all(float(gamma.sum()) == pytest.approx(len(gamma)) for gamma in gammas)


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": "conflict"},
        {"meta_objective": "conflict"},
        {"neumann_terms": 3},
        {"groups": "conflict", "meta_objective": "conflict"},
    ],
)
def test_every_way_of_learning_weights_keeps_the_constraint(changes):
    options = GraGROptions(meta=True, meta_rate=50.0, meta_every=1, **changes)
    trained = learner(options, "sage")
    for _ in range(4):
        record = trained.step()
    assert min(record.gamma) >= 0.0
    assert sum(trained.gamma.tolist()) == pytest.approx(len(trained.gamma))
    assert any(abs(value - 1.0) > 1e-9 for value in trained.gamma.tolist())


def test_a_closed_pathway_is_not_trained_and_opens_as_a_copy_of_the_layer():
    trained = learner(GraGROptions(pathways=True, energy_threshold=0.0, pathway_weight=0.3), "sage")
    gates = [conv for conv in trained.model.convs if isinstance(conv, GatedConv)]
    assert len(gates) == 2
    assert trained.step().openness == 0.0
    assert all(parameter.grad is None for gate in gates for parameter in gate.conflict.parameters())
    before = copy.deepcopy(gates[0].base.state_dict())
    assert trained.step().openness == pytest.approx(0.3)
    assert bool(gates[0].started)
    moved = (gates[0].conflict.lin_l.weight.detach() - before["lin_l.weight"]).abs().max()
    # One step of Adam away from the base layer as it was when the gate opened.
    assert 0.0 < float(moved) <= 0.0101


def test_no_pathway_opens_below_the_threshold():
    trained = learner(GraGROptions(pathways=True, energy_threshold=1.0))
    assert [trained.step().openness for _ in range(4)] == [0.0] * 4


def test_the_base_path_ignores_an_open_pathway():
    trained = learner(GraGROptions(pathways=True, energy_threshold=0.0), "sage")
    for _ in range(3):
        trained.step()
    base = trained.base_logits()
    assert not torch.allclose(base, trained.logits())
    assert [float(conv.beta) for conv in trained.model.convs[1:]] == [0.5, 0.5]
    for conv in trained.model.convs[1:]:
        conv.set_gate(0.0)
    assert torch.equal(trained.logits(), base)


def test_an_open_pathway_is_the_mixture_of_the_formula():
    conv = build_node_model("sage", inputs=4, classes=4, layers=1, seed=0).convs[0]
    gated = GatedConv(conv)
    gated.set_gate(1.7)
    assert float(gated.beta) == 1.0
    gated.set_gate(0.25)
    with torch.no_grad():
        gated.conflict.lin_l.weight += 1.0
    x, edge_index = torch.ones(graphs.NODES, 4), graphs.edges().index
    expected = 0.75 * gated.base(x, edge_index) + 0.25 * gated.conflict(x, edge_index)
    torch.testing.assert_close(gated(x, edge_index), expected)


def test_a_scheduled_method_is_the_base_method_until_its_gate_opens():
    plain, scheduled = learner(METHODS["base"]), learner(method_options("gragr++", warmup=3, plateau=9.0))
    records = []
    for epoch in range(1, 6):
        losses = plain.step().loss, (record := scheduled.step()).loss
        records.append(record)
        if epoch <= 3:
            assert losses[0] == pytest.approx(losses[1])
        scheduled.update_schedule(epoch)
    assert [record.reasoning for record in records] == [False, False, False, True, True]


def test_energies_are_of_the_hidden_layers():
    trained = learner(METHODS["base"])
    assert trained.energies() == []
    trained.step()
    assert len(trained.energies()) == 2
    assert learner(METHODS["base"], layers=1).energies() == []


def test_a_model_of_one_layer_has_nothing_to_correct():
    trained = learner(METHODS["gragr"], layers=1)
    assert trained.step().reasoning
    assert trained.memory == []


def test_a_loss_that_is_no_number_stops_the_run():
    given = data()
    x = given.x.clone()
    x[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="training loss: expected a finite number"):
        learner(METHODS["base"], x=x).step()
