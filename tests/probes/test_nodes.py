from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gradprobe
from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry.graph import (
    alignment,
    conflict_flags,
    edge_conflict,
    neighbour_mean,
    node_graph,
    project,
)
from gradprobe.graphs import build_node_model
from gradprobe.probes import NodeGradientProbe
from gradprobe.trace import Trace
from tests._zoo import Setup, zoo
from tests.probes.test_inert import _assert_same_history, _train

NODES, CLASSES = 12, 3
# A path of ten nodes with a chord, a pair beside it.
HALF = torch.tensor([[i, i + 1] for i in range(9)] + [[0, 4], [10, 11]]).T
EDGES = torch.cat([HALF, HALF.flip(0)], dim=1)
LABELS = torch.arange(NODES) % CLASSES
GRAPH = node_graph(EDGES.numpy(), NODES)


def _features() -> Tensor:
    return torch.randn(NODES, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def _model(kind: str = "gcn", **options: Any) -> Any:
    return build_node_model(kind, inputs=4, classes=CLASSES, width=8, seed=1, dropout=0.0, **options).double()


def _loss(logits: Tensor, nodes: list[int]) -> Tensor:
    return nn.functional.cross_entropy(logits[nodes], LABELS[nodes])


def _by_hand(model: Any, nodes: list[int], level: int = 0) -> np.ndarray:
    """What retain_grad finds at the output of a convolution after a plain backward pass."""
    held = []
    handle = model.convs[level].register_forward_hook(lambda _m, _i, output: held.append(output))
    loss = _loss(model(_features(), EDGES), nodes)
    handle.remove()
    held[0].retain_grad()
    loss.backward()
    model.zero_grad()
    return held[0].grad.numpy()


def _measured(model: nn.Module, nodes: list[int], **options: Any) -> Any:
    with NodeGradientProbe(model, **options) as probe:
        return probe.measure(_loss(model(_features(), EDGES), nodes), EDGES)


@pytest.mark.parametrize("kind", ["gcn", "gat", "gin", "sage"])
def test_gradients_are_those_of_retain_grad_at_the_first_layer(kind):
    model = _model(kind, layers=3)
    found = _measured(model, [0, 5, 10])
    assert list(found) == ["convs.0"]
    np.testing.assert_allclose(found["convs.0"].gradients, _by_hand(model, [0, 5, 10]), rtol=1e-10)
    assert found["convs.0"].tasks == ()
    assert np.array_equal(found["convs.0"].graph.edges, GRAPH.edges)


def test_chosen_layers_are_those_of_retain_grad_too():
    model = _model(layers=3)
    found = _measured(model, [0, 5], layers=model.convs)
    assert list(found) == ["convs.0", "convs.1", "convs.2"]
    for level, gradients in enumerate(found.values()):
        np.testing.assert_allclose(gradients.gradients, _by_hand(model, [0, 5], level), rtol=1e-10)


def test_rows_beyond_the_reach_of_labels_are_exactly_zero():
    model = _model(layers=3)
    found = _measured(model, [0], layers=model.convs)
    hops = [{0}, {0, 1, 4}, {0, 1, 4, 2, 3, 5}]
    for level, reached in enumerate(reversed(hops)):
        gradients = found[f"convs.{level}"]
        nonzero = np.flatnonzero(gradients.gradients.any(axis=1))
        assert set(nonzero.tolist()) <= reached
        assert gradients.quantities["", "node_zero_rows"] == 1 - len(nonzero) / NODES
    # Two labelled hops away, not three: ReLU rarely silences all eight units.
    assert found["convs.1"].gradients[[1, 4]].any()


def test_quantities_are_those_of_the_geometry_and_in_the_trace():
    model = _model()
    trace = Trace()
    with NodeGradientProbe(model, trace=trace, below=0.2, min_norm=0.01) as probe:
        found = probe.measure(
            _loss(model(_features(), EDGES), [0, 1, 2]), EDGES, epoch=4, step=9, split="train"
        )
    assert found is not None
    g = found["convs.0"].gradients
    aligned, contexts = alignment(g, GRAPH), neighbour_mean(g, GRAPH)
    flags = conflict_flags(g, contexts, below=0.2, min_norm=0.01)
    projected = project(g, contexts, flagged=flags)
    edges = edge_conflict(g, GRAPH)
    dense = GRAPH.neighbours.toarray()
    smoothed = (g + dense @ g) / (1 + GRAPH.degrees[:, None])
    corrected = (projected + dense @ projected) / (1 + GRAPH.degrees[:, None])
    known = ~np.isnan(aligned)
    expected = {
        "node_zero_rows": np.mean(~g.any(axis=1)),
        "node_conflict_share": flags[known].mean(),
        "node_conflict_loss": edges.loss,
        "node_conflict_loss_per_edge": float(edges.loss_per_edge),
        "node_energy": edges.energy,
        "node_energy_per_edge": float(edges.energy_per_edge),
        "node_alignment": aligned[known].mean(),
        "node_alignment_projected": np.nanmean(alignment(projected, GRAPH)),
        "node_alignment_smoothed": np.nanmean(alignment(smoothed, GRAPH)),
        "node_alignment_corrected": np.nanmean(alignment(corrected, GRAPH)),
    }
    # Some nodes are silent, and of the others some but not all are in conflict.
    assert flags.sum() < known.sum() < NODES
    assert flags.any()
    assert {name: value for (_, name), value in found["convs.0"].quantities.items()} == pytest.approx(
        expected
    )
    records = trace.quantities
    assert {record.name: record.value for record in records} == pytest.approx(expected)
    assert {(r.step, r.split, r.epoch, r.layer, r.task, r.reason) for r in records} == {
        (9, "train", 4, "convs.0", "", "")
    }


def test_several_tasks_are_measured_one_by_one_and_as_their_sum():
    model = _model()
    probe = NodeGradientProbe(model)
    logits = model(_features(), EDGES)
    losses = {"near": _loss(logits, [0, 1]), "far": _loss(logits, [7, 8]), "absent": logits[:0, 0]}
    found = probe.measure(losses, EDGES)["convs.0"]  # type: ignore[index]
    assert found.tasks == ("near", "far")
    assert found.gradients.shape == (2, NODES, 8)
    np.testing.assert_allclose(found.gradients[1], _by_hand(model, [7, 8]), rtol=1e-10)
    np.testing.assert_allclose(
        found.total, _by_hand(model, [0, 1]) + _by_hand(model, [7, 8]), rtol=1e-10, atol=1e-18
    )
    for task, rows in (("near", found.gradients[0]), ("far", found.gradients[1]), ("", found.total)):
        assert found.quantities[task, "node_energy"] == pytest.approx(
            float(edge_conflict(rows, GRAPH).energy)
        )
    # Nodes 2 to 5 are within a hop of at most one task's labels: no node has gradients of both.
    assert np.isnan(found.quantities["", "node_task_conflict"])
    assert [r.reason for r in probe.trace.quantities if r.name == "node_task_conflict"] == [
        "no node has gradients of two tasks"
    ]


def test_losses_of_rows_count_by_their_mean():
    model = _model()
    probe = NodeGradientProbe(model)
    rows = nn.functional.cross_entropy(model(_features(), EDGES), LABELS, reduction="none")
    found = probe.measure(rows[[0, 5, 10]], EDGES)["convs.0"]  # type: ignore[index]
    np.testing.assert_allclose(found.gradients, _by_hand(model, [0, 5, 10]), rtol=1e-10, atol=1e-18)


def test_a_task_that_does_not_depend_on_a_layer_has_zero_rows_there():
    model = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 2)})
    x = torch.randn(NODES, 4)
    probe = NodeGradientProbe(model, layers=[model["a"]])
    losses = {"one": model["a"](x).square().mean(), "two": model["b"](x).square().mean()}
    found = probe.measure(losses, EDGES)["a"]  # type: ignore[index]
    assert found.gradients[0].any()
    assert not found.gradients[1].any()
    assert found.reasons["two", "node_alignment"] == "no node has both a gradient and neighbours with one"
    assert found.reasons["two", "node_energy_per_edge"] == "a zero gradient has no direction"


def test_a_plain_model_and_states_by_hand():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, CLASSES)).double()
    probe = NodeGradientProbe(model, layers=[model[0]])
    hidden = model[0](_features())
    after = torch.relu(hidden)
    loss = _loss(model[2](after), [2, 5])
    before = probe.measure(loss, EDGES)["0"]  # type: ignore[index]
    activated = probe.measure(loss, GRAPH, states={"hidden": after})["hidden"]  # type: ignore[index]
    np.testing.assert_allclose(before.gradients, activated.gradients * (hidden > 0).numpy())
    with pytest.raises(MeasurementError, match="name the model's `layers`"):
        NodeGradientProbe(model).measure(_loss(model(_features()), [0]), EDGES)


def test_an_activation_in_place_does_not_hide_the_output_before_it():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, CLASSES)).double()
    probe = NodeGradientProbe(model, layers=[model[0]])
    found = probe.measure(_loss(model(_features()), [2, 5]), EDGES)["0"]  # type: ignore[index]
    hidden = model[0](_features()).detach().requires_grad_()
    _loss(model[2](torch.relu(hidden)), [2, 5]).backward()
    np.testing.assert_allclose(found.gradients, hidden.grad.numpy(), rtol=1e-10)  # type: ignore[union-attr]


def test_a_layer_that_is_called_twice_counts_twice_and_evaluation_does_not():
    model = nn.Sequential(nn.Linear(4, 4)).double()
    probe = NodeGradientProbe(model, layers=[model[0]])
    with torch.no_grad():
        model(_features())
    model(_features())  # a forward pass that the loss does not depend on
    loss = model[0](torch.tanh(model[0](_features()))).square().mean()
    assert list(probe.measure(loss, EDGES)) == ["0", "0#2"]  # type: ignore[arg-type]


def test_only_due_calls_are_measured_and_closing_stops_listening():
    model = _model()
    probe = NodeGradientProbe(model, every=2)
    due = [probe.measure(_loss(model(_features(), EDGES), [0]), EDGES) is not None for _ in range(4)]
    assert due == [True, False, True, False]
    assert sorted({record.step for record in probe.trace.quantities}) == [0, 2]
    assert not probe._listener._kept
    probe.close()
    model(_features(), EDGES)
    assert not probe._listener._kept


def test_weighted_edges_come_as_a_graph():
    model = _model()
    weighted = node_graph(EDGES.numpy(), NODES, weights=np.full(EDGES.shape[1], 3.0))
    loss = _loss(model(_features(), EDGES), [0, 3])
    probe = NodeGradientProbe(model)
    state = {"logits": model(_features(), EDGES)}
    loss = _loss(state["logits"], [0, 3])
    plain, heavy = (
        probe.measure(loss, graph, states={"h": state["logits"]})["h"].quantities["", "node_energy"]  # type: ignore[index]
        for graph in (GRAPH, weighted)
    )
    assert heavy == pytest.approx(3 * plain)


@pytest.mark.parametrize("case", [case for case in zoo() if case.build().layer], ids=lambda case: case.name)
def test_a_probed_run_is_the_unprobed_run_bit_for_bit(case):
    def attach(setup: Setup) -> Any:
        probe = NodeGradientProbe(setup.model, layers=[setup.layer])  # type: ignore[list-item]

        def measure(losses: dict[str, Tensor], step: int) -> None:
            found = probe.measure(losses, torch.tensor([[0, 1], [1, 0]]), step=step)
            assert found
            setup.measured = step

        return measure

    plain, _ = _train(case)
    probed, setup = _train(case, attach)
    assert setup.measured > 2
    _assert_same_history(probed, plain)


class Recomputed(nn.Module):
    """A layer, then one whose forward pass is run again in every backward pass, batch norm included."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.rest = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(self.rest, self.first(x), use_reentrant=False)
        return out


def test_statistics_and_random_state_do_not_move_where_a_backward_pass_recomputes():
    torch.manual_seed(0)
    model = Recomputed()
    probe = NodeGradientProbe(model, layers=[model.first])
    loss = _loss(model(_features().float()), [0, 5])
    before = [buffer.clone() for buffer in model.buffers()], torch.get_rng_state()
    assert probe.measure(loss, EDGES)
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), before[0], strict=True))
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("kind", ["gcn", "gat", "gin", "sage"])
def test_a_probed_graph_model_trains_bit_for_bit_as_without(kind):
    def train(measured: bool) -> list[Any]:
        torch.manual_seed(0)
        model = build_node_model(kind, inputs=4, classes=CLASSES, width=8, seed=1, dropout=0.5)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        probe = NodeGradientProbe(model, layers=model.convs) if measured else None
        history = []
        for _ in range(3):
            loss = _loss(model(_features().float(), EDGES), [0, 5, 10])
            if probe:
                probe.measure(loss, EDGES)
                assert all(parameter.grad is None for parameter in model.parameters())
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            history.append((loss.item(), torch.rand(1).item(), [p.tolist() for p in model.parameters()]))
        return history

    assert train(True) == train(False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: expected a count from 1 on"),
        ({"trace": Trace(), "out": "somewhere"}, "out: expected either a trace"),
        ({"layers": [nn.Linear(1, 1)]}, "layers: expected modules of the model"),
    ],
)
def test_options_that_make_no_probe_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        NodeGradientProbe(_model(), **options)


def test_losses_and_graphs_that_do_not_fit_are_refused():
    model = _model()
    probe = NodeGradientProbe(model)
    logits = model(_features(), EDGES)
    for losses, message in (
        (logits, "losses: expected a scalar or one number a row"),
        (logits.mean().detach(), "without one; measure before your own backward pass"),
        ({"a": 1.0}, r"losses\['a'\]: expected a scalar .*, got float"),
        ({"a": logits[:0, 0]}, "at least one with rows, got none"),
    ):
        with pytest.raises(InputError, match=message):
            probe.measure(losses, EDGES)
    for edges, message in (
        (EDGES + 5, "edge_index: expected nodes from 0 to 11, got 5 to 16"),
        (node_graph([[0], [1]], 5), "a graph of 12 nodes, got one of 5"),
    ):
        logits = model(_features(), EDGES)
        with pytest.raises(InputError, match=message):
            probe.measure(logits.mean(), edges)
    with pytest.raises(InputError, match="got 'x' without one"):
        probe.measure(logits.mean(), EDGES, states={"x": torch.ones(NODES, 2)})


def test_states_that_are_no_rows_of_nodes_are_refused():
    model = _model()
    probe = NodeGradientProbe(model)
    stacked = model(_features(), EDGES)[None]
    with pytest.raises(
        MeasurementError, match=r"expected outputs \[nodes, width\] from 'x', got shape \(1, 12, 3\)"
    ):
        probe.measure(stacked.mean(), EDGES, states={"x": stacked})
    with pytest.raises(MeasurementError, match=r"expected finite gradients at 'convs\.0'"):
        probe.measure((model(_features(), EDGES) * torch.inf).sum(), EDGES)


def test_the_probe_is_a_public_name():
    assert gradprobe.NodeGradientProbe is NodeGradientProbe
