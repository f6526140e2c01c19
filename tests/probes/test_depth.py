from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import components, looped_degrees, row_spread
from gradprobe.graphs import build_node_model
from gradprobe.probes import DepthProbe
from gradprobe.trace import Trace
from tests._zoo import Setup, zoo
from tests.probes.test_inert import _assert_same_history, _train

NODES, CLASSES = 12, 3
RING = torch.tensor([[i, (i + 1) % 10] for i in range(10)])
# Two components: a ring with a chord, and a pair.
HALF = torch.cat([RING, torch.tensor([[0, 5], [10, 11]])]).T
EDGES = torch.cat([HALF, HALF.flip(0)], dim=1)


class Chain(nn.Module):
    """Linear layers that mix rows in between, with an activation in place of its input."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4, dtype=torch.float64) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu_(layer(x))
        return x


def _inputs() -> Tensor:
    return torch.randn(NODES, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def _graph_model(kind: str = "gcn", **options: Any) -> tuple[nn.Module, Tensor, Tensor]:
    model = build_node_model(kind, inputs=4, classes=CLASSES, width=8, seed=1, dropout=0.0, **options)
    return model.double(), _inputs(), torch.arange(NODES) % CLASSES


def _loss(logits: Tensor, labels: Tensor, nodes: slice = slice(None)) -> Tensor:
    return nn.functional.cross_entropy(logits[nodes], labels[nodes])


def _by_hand(chain: Chain, x: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs of the linear layers, and their gradients by perturbing one entry at a time."""

    def rest(start: int, h: Tensor) -> Tensor:
        for layer in chain.layers[start:]:
            h = layer(torch.relu(h))
        return torch.relu(h).square().sum()

    outputs, h = [], x
    for layer in chain.layers:
        h = layer(h if not outputs else torch.relu(h))
        outputs.append(h.detach())
    gradients = []
    for i, output in enumerate(outputs):
        gradient = np.zeros(output.shape)
        for place in np.ndindex(*output.shape):
            moved = output.clone()
            moved[place] += 1e-6
            up = rest(i + 1, moved)
            moved[place] -= 2e-6
            gradient[place] = float(up - rest(i + 1, moved)) / 2e-6
        gradients.append(gradient)
    return [output.numpy() for output in outputs], gradients


def test_outputs_and_gradients_are_those_before_an_activation_that_works_in_place():
    torch.manual_seed(0)
    chain, x = Chain(3), _inputs()
    probe = DepthProbe(chain, layers=chain.layers)
    found = probe.measure(chain(x).square().sum())
    with torch.no_grad():
        outputs, gradients = _by_hand(chain, x)
    assert found.layers == ("layers.0", "layers.1", "layers.2")
    for i in range(3):
        for profile, matrix in ((found.representation, outputs[i]), (found.gradient, gradients[i])):
            expected = row_spread(matrix)
            assert profile.mu()[i] == pytest.approx(expected.mu, rel=1e-5)
            assert profile.norms[i] == pytest.approx(expected.norm, rel=1e-5)
            assert profile.relative()[i] == pytest.approx(expected.relative, rel=1e-5)


def test_states_are_measured_in_place_of_outputs():
    model, x, labels = _graph_model(layers=4, residual=True)
    states = model.representations(x, EDGES)
    probe = DepthProbe(model)
    named = {f"H{i + 1}": state for i, state in enumerate(states)}
    loss = _loss(states[-1], labels)
    found = probe.measure(loss, states=named, edges=EDGES, groups="components")
    gradients = torch.autograd.grad(loss, states)
    degrees, parts = looped_degrees(EDGES.numpy(), NODES), components(EDGES.numpy(), NODES)
    for i, gradient in enumerate(gradients):
        rows = gradient.numpy()
        assert found.gradient.relative()[i] == pytest.approx(row_spread(rows).relative)
        assert found.gradient.relative("degree")[i] == pytest.approx(
            row_spread(rows, degrees=degrees).relative
        )
        assert found.gradient.relative("group")[i] == pytest.approx(row_spread(rows, groups=parts).relative)
        both = row_spread(rows, groups=parts, degrees=degrees)
        assert found.gradient.relative("group_degree")[i] == pytest.approx(both.relative)
        assert np.linalg.norm(found.gradient.by_group[i].mu) == pytest.approx(both.mu)
    assert found.layers == ("H1", "H2", "H3", "H4")


def test_every_number_is_in_the_trace_with_its_layer():
    model, x, labels = _graph_model(layers=2)
    probe = DepthProbe(model)
    found = probe.measure(_loss(model(x, EDGES), labels), edges=EDGES, split="train", step=4, epoch=2)
    frame = probe.trace.frame()
    assert set(zip(frame.step, frame.epoch, frame.split, strict=True)) == {(4, 2, "train")}
    value = frame.set_index(["quantity", "layer"]).value
    for signal in ("representation", "gradient"):
        profile = getattr(found, signal)
        for i, layer in enumerate(("convs.0", "convs.1")):
            assert value[f"{signal}_mu", layer] == profile.mu()[i]
            assert value[f"{signal}_norm", layer] == profile.norms[i]
            assert value[f"{signal}_relative_mu_degree", layer] == profile.relative("degree")[i]
            assert value[f"{signal}_zero_rows", layer] == profile.zero_rows[i]
        assert sum(value[f"{signal}_{name}", ""] for name in ("oversmoothing", "vanishing", "expansion")) <= 1


def test_unlabelled_nodes_leave_zero_rows_and_the_diagnosis_says_that_mu_measures_the_mask():
    model, x, labels = _graph_model(layers=3)
    probe = DepthProbe(model)
    found = probe.measure(_loss(model(x, EDGES), labels, slice(0, 3)))
    assert found.gradient.zero_rows[-1] == 0.75
    assert found.representation.zero_rows[-1] == 0.0
    assert "75% of the rows receive no gradient at layer convs.2" in found.gradient.diagnosis.reason
    assert "receive no gradient" not in found.representation.diagnosis.reason


def test_a_deep_network_without_skips_oversmooths_gradients_towards_the_first_layer():
    model, x, labels = _graph_model(layers=40)
    probe = DepthProbe(model)
    states = model.representations(x, EDGES)
    named = {f"H{i + 1}": state for i, state in enumerate(states)}
    found = probe.measure(_loss(states[-1], labels), states=named, edges=EDGES, groups="components")
    assert found.gradient.diagnosis.finding == "oversmoothing"
    within = found.gradient.relative("group_degree")
    assert within[found.gradient.diagnosis.layer] == within.min() < 1e-3 < within[-1]
    # Plain mu has a floor: degrees differ, and so do the components.
    assert found.gradient.relative().min() > 0.05


def test_large_residual_weights_expand_and_small_weights_without_mixing_vanish():
    model, x, labels = _graph_model(layers=16, residual=True)
    with torch.no_grad():
        for conv in model.convs:
            conv.lin.weight *= 4.0
    assert DepthProbe(model).measure(_loss_of(model, x, labels)).gradient.diagnosis.finding == "expansion"
    chain = Chain(8)
    with torch.no_grad():
        for layer in chain.layers:
            layer.weight.copy_(0.1 * torch.eye(4))
            layer.bias.zero_()
    found = DepthProbe(chain, layers=chain.layers)
    assert found.measure(chain(_inputs()).sum(dim=1).square().sum()).gradient.diagnosis.finding == "vanishing"


def _loss_of(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    return _loss(model(x, EDGES), labels)


def test_a_run_that_overflows_is_measured_and_called_expansion():
    model, x, labels = _graph_model(layers=4, residual=True)
    with torch.no_grad():
        model.convs[2].lin.weight *= 1e200
    found = DepthProbe(model).measure(_loss(model(x, EDGES) * 1e200, labels))
    assert found.representation.norms[-1] > 1e150
    assert found.gradient.diagnosis.finding == "expansion"
    assert "no longer finite" in found.gradient.diagnosis.reason
    assert np.isnan(found.gradient.relative()).any()


def test_a_layer_called_again_counts_again_and_one_the_loss_does_not_see_does_not_count():
    torch.manual_seed(0)
    chain, x = Chain(2), _inputs()
    probe = DepthProbe(chain, layers=[chain.layers[0]])
    chain.layers[0](x)
    twice = chain.layers[0](chain.layers[0](x))
    assert probe.measure(twice.sum()).layers == ("layers.0", "layers.0#2")


def test_forward_passes_that_are_not_measured_are_not_kept():
    chain, x = Chain(2), _inputs()
    probe = DepthProbe(chain, layers=chain.layers, every=2)
    assert probe.measure(chain(x).sum()) is not None
    loss = chain(x).sum()
    assert probe._listener._kept == []
    assert probe.measure(loss) is None
    with torch.no_grad():
        chain(x)
    assert probe._listener._kept == []
    assert probe.measure(chain(x).sum()) is not None
    assert [record.step for record in probe.trace.quantities][:: len(probe.trace.quantities) - 1] == [0, 2]
    probe.close()
    chain(x)
    assert probe._listener._kept == []
    assert not any(layer._forward_hooks for layer in chain.layers)


def test_it_writes_to_a_trace_given_and_to_a_folder(tmp_path):
    chain, x, trace = Chain(2), _inputs(), Trace()
    DepthProbe(chain, layers=chain.layers, trace=trace).measure(chain(x).sum())
    with DepthProbe(chain, layers=chain.layers, out=tmp_path / "trace") as probe:
        probe.measure(chain(x).sum(), step=0)
    read = Trace.load(tmp_path / "trace").quantities
    assert [(r.name, r.layer) for r in read] == [(r.name, r.layer) for r in trace.quantities]
    assert all(a.value == b.value or math.isnan(a.value) for a, b in zip(read, trace.quantities, strict=True))


@pytest.mark.parametrize("case", zoo(), ids=lambda case: case.name)
def test_a_measured_run_is_the_run_without_the_probe_bit_for_bit(case):
    def attach(setup: Setup) -> Any:
        linear = [module for module in setup.model.modules() if isinstance(module, nn.Linear)]
        layers = dict.fromkeys([*linear, *([setup.layer] if setup.layer else [])])
        probe = DepthProbe(setup.model, layers=layers)

        def measure(losses: dict[str, Tensor], step: int) -> None:
            try:
                probe.measure(sum(loss.mean() for loss in losses.values()), step=step)
            except MeasurementError:  # recurrent cells and tokens put out no [n, d]
                setup.refused = True

        return measure

    plain, _ = _train(case)
    probed, _ = _train(case, attach)
    _assert_same_history(probed, plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: expected a count"),
        ({"trace": Trace(), "out": "somewhere"}, "out: expected either"),
        ({"layers": [nn.Linear(2, 2)]}, "layers: expected modules of the model, got 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DepthProbe(Chain(2), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "components"}, "without edges"),
        ({"groups": "graphs", "edges": EDGES}, "groups: expected 'components'"),
        ({"groups": torch.zeros(5)}, "groups: expected one number a row"),
        ({"edges": torch.tensor([[0], [99]])}, r"edges: expected \[2, edges\] below 12 rows"),
        ({"edges": EDGES.T}, r"edges: expected \[2, edges\]"),
        ({"states": {"x": torch.ones(3, 2)}}, "states: expected tensors with a graph, got 'x'"),
    ],
)
def test_graphs_and_states_that_do_not_fit_are_refused(options, message):
    chain = Chain(2)
    probe = DepthProbe(chain, layers=chain.layers)
    with pytest.raises(InputError, match=message):
        probe.measure(chain(_inputs()).sum(), **options)


def test_losses_that_cannot_be_measured_are_refused():
    chain = Chain(2)
    probe = DepthProbe(chain, layers=chain.layers)
    with pytest.raises(InputError, match="loss: expected a scalar with a graph, got shape \\(12, 4\\)"):
        probe.measure(chain(_inputs()))
    with pytest.raises(InputError, match="without one; measure before"):
        probe.measure(torch.tensor(1.0))
    with pytest.raises(MeasurementError, match="loss: expected one that some layer's output leads to"):
        probe.measure(torch.ones((), requires_grad=True) * 2)
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).double()
    with pytest.raises(MeasurementError, match=r"expected outputs \[rows, width\] from '0'"):
        DepthProbe(plain, layers=[plain[0]]).measure(_through(plain, _inputs()[None]).sum())


def _through(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)


def test_a_view_that_was_changed_in_place_is_refused_rather_than_left_out():
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.reshape = nn.Unflatten(1, (2, 2))
            self.flatten = nn.Flatten()

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu_(self.flatten(self.reshape(self.linear(x)))).sum()

    model = Views().double()
    probe = DepthProbe(model, layers=[model.linear, model.flatten])
    with pytest.raises(MeasurementError, match="'flatten' that is a view and was changed in place"):
        probe.measure(model(_inputs()))
