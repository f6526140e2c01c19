from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry.kernel import alignment, kernel_alignments
from gradprobe.gradients import all_parameters
from gradprobe.gradients.tangent import tangent_kernel
from gradprobe.probes.kernel import KernelProbe
from gradprobe.trace import Trace
from tests.probes._state import assert_same, random_state, seed_everything

ROWS, NODES = 8, np.array([5, 0, 3, 6])
LABELS = np.array([0, 1, 0, 1])
GRAPH = np.array([[2.0, 0, 1, 0], [0, 2, 0, 1], [1, 0, 2, 0], [0, 1, 0, 2]])


@pytest.fixture
def model() -> nn.Module:
    seed_everything(0)
    return nn.Sequential(
        nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2)
    ).double()  # fmt: skip


@pytest.fixture
def x() -> Tensor:
    return torch.randn(ROWS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _probe(model: nn.Module, **options: object) -> KernelProbe:
    return KernelProbe(model, **{"nodes": NODES, "graph": GRAPH, "labels": LABELS, **options})


def test_the_kernel_is_that_of_eval_mode_between_the_chosen_nodes(model, x):
    found = _probe(model).kernel(lambda own: own(x))
    expected = tangent_kernel(model.eval()(x)[NODES], all_parameters(model))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    model.train()
    assert np.abs(tangent_kernel(model(x)[NODES], all_parameters(model)) - expected).max() > 0.1


def test_alignments_go_into_the_trace_centred_and_not(model, x):
    probe = _probe(model)
    found = probe.measure(lambda own: own(x), step=7, epoch=2, split="train")
    values = {record.name: record.value for record in probe.trace.quantities}
    expected = {}
    for flag, suffix in ((True, ""), (False, "_uncentred")):
        alignments = kernel_alignments(found.kernel, GRAPH, LABELS, centred=flag)
        for name, quantity in alignments.quantities.items():
            expected[f"{name}_alignment{suffix}"] = float(quantity)
    assert values == expected
    assert values["kernel_graph_alignment"] == float(alignment(found.kernel, GRAPH))
    assert values["kernel_graph_alignment_uncentred"] == float(alignment(found.kernel, GRAPH, centred=False))
    places = {(record.step, record.epoch, record.split) for record in probe.trace.quantities}
    assert places == {(7, 2, "train")}


def test_they_change_over_training_and_the_graphs_does_not(model, x, tmp_path):
    probe = _probe(model, out=tmp_path / "trace")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(3):
        probe.measure(lambda own: own(x), step=step)
        optimiser.zero_grad()
        model(x)[NODES].square().sum().backward()
        optimiser.step()
    probe.trace.close()
    frame = Trace.load(tmp_path / "trace").quantities
    kernel = [record.value for record in frame if record.name == "kernel_target_alignment"]
    graph = [record.value for record in frame if record.name == "graph_target_alignment"]
    assert len(set(kernel)) == 3
    assert len(set(graph)) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_the_training_state_moves(model, x, fails):
    model.train()
    optimiser = torch.optim.Adam(model.parameters())
    model(x).sum().backward()
    optimiser.step()
    model[0].weight.register_hook(lambda gradient: gradient * torch.nan)

    def state() -> dict[str, object]:
        tensors = [*model.state_dict().values(), *(parameter.grad for parameter in model.parameters())]
        modes = [module.training for module in model.modules()]
        return {"bits": [own.numpy().tobytes() for own in tensors], "modes": modes, **random_state()}

    def forward(own: nn.Module) -> Tensor:
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        return own(x) * (torch.nan if fails else 1.0)

    before = state()
    if fails:
        with pytest.raises(MeasurementError, match="finite outputs"):
            _probe(model).measure(forward, step=0)
    else:
        assert np.isfinite(_probe(model).measure(forward, step=0).kernel).all()
    assert_same(state(), before)


def test_undefined_alignments_say_why(model, x):
    probe = _probe(model, labels=np.array([1, 1, -1, 1]))
    probe.measure(lambda own: own(x), step=0)
    reasons = {record.name: record.reason for record in probe.trace.quantities}
    values = {record.name: record.value for record in probe.trace.quantities}
    assert math.isnan(values["kernel_target_alignment"])
    assert "labels' kernel" in reasons["kernel_target_alignment"]
    assert reasons["kernel_graph_alignment"] == ""


def test_one_output_a_node_may_come_without_a_second_dimension(model, x):
    flat = _probe(model).kernel(lambda own: own(x)[:, 0])
    np.testing.assert_allclose(flat, _probe(model).kernel(lambda own: own(x)[:, :1]), rtol=1e-12)


def test_it_appends_to_a_trace_that_is_given(model, x):
    trace = Trace()
    probe = _probe(model, trace=trace)
    probe.measure(lambda own: own(x), step=0)
    assert probe.trace is trace
    assert len(trace.quantities) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": np.array([], dtype=int)}, "nodes: expected the numbers of at least one node"),
        ({"nodes": np.array([0.5, 1, 2, 3])}, "nodes: expected the numbers"),
        ({"nodes": np.array([0, 1, -2, 3])}, "nodes: expected the numbers"),
        ({"graph": np.eye(3)}, "graph: expected rows for the 4 nodes, got 3"),
        ({"graph": np.ones((4, 3))}, "expected a square matrix"),
        ({"labels": np.array([0, 1, 1])}, "labels: expected rows for the 4 nodes, got 3"),
        ({"trace": Trace(), "out": "folder"}, "out: expected either a trace"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(model, options, message):
    with pytest.raises(InputError, match=message):
        _probe(model, **options)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda own: own(torch.ones(5, 3, dtype=torch.float64)), "nodes: expected rows of 5 outputs, got 6"),
        (lambda own: "nothing", "forward: expected outputs .*, got str"),
        (lambda own: torch.ones(2, 3, 4), r"forward: expected outputs .*, got shape \(2, 3, 4\)"),
    ],
)
def test_outputs_of_another_kind_are_refused(model, forward, message):
    with pytest.raises(InputError, match=message):
        _probe(model).kernel(forward)
