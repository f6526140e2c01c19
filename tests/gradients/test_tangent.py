from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from gradprobe.errors import InputError, MeasurementError
from gradprobe.gradients import all_parameters
from gradprobe.gradients.tangent import tangent_kernel

NODES, WIDTH, CLASSES = 9, 5, 3
EDGES = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 2, 3, 4, 5, 0, 7, 8]])
EDGES = torch.cat([EDGES, EDGES.flip(0)], dim=1)


class _Graph(nn.Module):
    """Two graph convolutions of some kind."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x, EDGES).relu(), EDGES)


class _Tied(nn.Module):
    """A weight used twice, once transposed, with a penalty-like use that no layer owns, and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.square = nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.unused = nn.Parameter(torch.ones(2))
        self.frozen = nn.Linear(WIDTH, CLASSES)
        self.frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.square(x))
        hidden = torch.tanh(hidden @ self.square.weight) * self.scale
        return self.frozen(hidden) * self.square.weight.square().sum()


class _Recurrent(nn.Module):
    """A weight and a bias that are used twice, each use in a layer of a known kind."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.step(torch.tanh(self.step(x)))))


class _Words(nn.Module):
    """An embedding that asks for sparse gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(7, CLASSES, mode="sum", sparse=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.table((x.abs() * 10).long() % 7).tanh()


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: nn.Sequential(nn.Linear(WIDTH, 6), nn.ReLU(), nn.Linear(6, CLASSES)),
    "norms": lambda: nn.Sequential(
        nn.Linear(WIDTH, 6), nn.BatchNorm1d(6), nn.PReLU(), nn.LayerNorm(6), nn.Linear(6, CLASSES)
    ),
    "gcn": lambda: _Graph(GCNConv(WIDTH, 6), GCNConv(6, CLASSES)),
    "gat": lambda: _Graph(GATConv(WIDTH, 3, heads=2), GATConv(6, CLASSES)),
    "sage": lambda: _Graph(SAGEConv(WIDTH, 6), SAGEConv(6, CLASSES)),
    "recurrent": _Recurrent,
    "tied": _Tied,
    "weight norm": lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, 6)), nn.Tanh(), nn.Linear(6, CLASSES)
    ),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, WIDTH)), nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, CLASSES)
    ),
    "sparse table": _Words,
}  # fmt: skip


def _build(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = MODELS[name]().to(dtype).eval()
    return model, torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(1)).to(dtype)


def _jacobian(outputs: Tensor, model: nn.Module) -> np.ndarray:
    """J [m, k, p] by a loop of plain backward passes."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rows = []
    for entry in outputs.reshape(-1):
        found = torch.autograd.grad(entry, parameters, retain_graph=True, allow_unused=True)
        full = [
            torch.zeros_like(parameter) if gradient is None else gradient.to_dense()
            for parameter, gradient in zip(parameters, found, strict=True)
        ]
        rows.append(torch.cat([gradient.reshape(-1) for gradient in full]).double())
    return torch.stack(rows).reshape(*outputs.shape, -1).numpy()


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_trace_over_outputs_that_a_loop_gives(name):
    model, x = _build(name)
    outputs = model(x)
    jacobian = _jacobian(outputs, model)
    found = tangent_kernel(outputs, all_parameters(model))
    expected = np.einsum("mkp,nkp->mn", jacobian, jacobian)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["mlp", "gcn", "gat", "recurrent"])
def test_it_is_what_torch_func_gives(name):
    model, x = _build(name)
    parameters = {key: value.detach() for key, value in model.named_parameters() if value.requires_grad}
    jacobians = torch.func.jacrev(lambda own: torch.func.functional_call(model, own, (x,)))(parameters)
    flat = torch.cat([entry.reshape(NODES, CLASSES, -1) for entry in jacobians.values()], dim=2)
    expected = torch.einsum("mkp,nkp->mn", flat, flat).numpy()
    found = tangent_kernel(model(x), all_parameters(model))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_it_does_not_sum_over_the_outputs_of_two_nodes_independently():
    """Yang et al. 2024 sum with einsum("nkm,NKm->nN"): that is the kernel of the sum of outputs."""
    model, x = _build("gcn")
    outputs = model(x)
    jacobian = _jacobian(outputs, model)
    independent = np.einsum("nkp,NKp->nN", jacobian, jacobian)
    np.testing.assert_allclose(
        tangent_kernel(outputs.sum(1, keepdim=True), all_parameters(model)), independent, rtol=1e-10
    )
    found = tangent_kernel(outputs, all_parameters(model))
    assert np.abs(found - independent).max() > 0.1 * np.abs(found).max()


def test_a_linear_network_has_a_closed_form():
    """f = x W^T + b with k outputs: K = k (x x^T + 1), summed and not averaged over parameters."""
    model, x = nn.Linear(WIDTH, CLASSES).double(), _build("mlp")[1]
    found = tangent_kernel(model(x), all_parameters(model))
    np.testing.assert_allclose(found, CLASSES * ((x @ x.T).numpy() + 1.0), rtol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "gcn", "recurrent", "tied"])
@pytest.mark.parametrize("columns", [5, 36, 10_000])
def test_it_does_not_depend_on_the_memory_allowed(name, columns):
    model, x = _build(name)
    outputs = model(x)
    expected = tangent_kernel(outputs, all_parameters(model))
    found = tangent_kernel(outputs, all_parameters(model), memory=8 * NODES * columns)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())


def test_more_nodes_than_a_block_of_the_product_are_one_symmetric_positive_kernel():
    model = MODELS["mlp"]().double()
    x = torch.randn(270, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = model(x)[:, :1]
    found = tangent_kernel(outputs, all_parameters(model))
    jacobian = _jacobian(outputs, model)
    np.testing.assert_allclose(found, np.einsum("mkp,nkp->mn", jacobian, jacobian), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-9


def test_nodes_are_rows_of_the_outputs_and_the_graph_stays_usable():
    model, x = _build("gcn")
    outputs = model(x)
    everything = tangent_kernel(outputs, all_parameters(model))
    chosen = torch.tensor([4, 0, 7])
    some = tangent_kernel(outputs[chosen], all_parameters(model))
    np.testing.assert_allclose(some, everything[np.ix_(chosen, chosen)], rtol=1e-12)
    outputs.sum().backward()


def test_single_precision_is_as_exact_as_its_gradients():
    model, x = _build("gcn", torch.float32)
    found = tangent_kernel(model(x), all_parameters(model))
    double = _build("gcn", torch.float64)[0]
    double.load_state_dict(model.state_dict())
    expected = tangent_kernel(double(x.double()), all_parameters(double))
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    assert (np.abs(found - expected) / scale).max() < 1e-5


@pytest.mark.parametrize(
    ("spoil", "options", "error", "message"),
    [
        (lambda f: f[0], {}, InputError, r"outputs: .*got shape \(3,\)"),
        (lambda f: f[:0], {}, InputError, "outputs: expected a row a node"),
        (lambda f: f.detach(), {}, MeasurementError, "outputs that require no gradient"),
        (lambda f: f, {"memory": 50}, InputError, "memory: expected at least 72 bytes for 9 nodes, got 50"),
        (lambda f: f * torch.inf, {}, MeasurementError, "expected finite gradients"),
    ],
)
def test_what_cannot_be_measured_is_refused(spoil, options, error, message):
    model, x = _build("mlp")
    with pytest.raises(error, match=message):
        tangent_kernel(spoil(model(x)), all_parameters(model), **options)


def test_complex_parameters_are_refused():
    model = nn.Module()
    model.weight = nn.Parameter(torch.ones(3, 2, dtype=torch.complex64))
    with pytest.raises(MeasurementError, match="expected real parameters"):
        tangent_kernel(model.weight.square().real, all_parameters(model))
