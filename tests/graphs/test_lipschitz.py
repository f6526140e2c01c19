from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.graphs import LipschitzNormalization, build_node_model, parametrize_frobenius
from gradprobe.graphs.lipschitz import normalised

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3]])
X = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))


def _model(kind: str = "gcn", **options: Any) -> nn.Module:
    return build_node_model(
        kind, inputs=5, classes=3, width=8, dropout=0.0, seed=1, **{"layers": 3, **options}
    )


def _frobenius(weight: Tensor) -> float:
    return math.sqrt(sum(float(entry) ** 2 for row in weight.detach() for entry in row))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.5, 4.0]),
)
def test_the_spectral_norm_lies_between_c_over_the_root_of_the_rank_and_c(seed, rows, columns, most, c):
    rng = np.random.default_rng(seed)
    rank = min(rows, columns, most)
    matrix = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    found = normalised(torch.tensor(matrix), c).numpy()
    assert np.linalg.norm(found) == pytest.approx(c)
    assert c / math.sqrt(rank) * (1 - 1e-9) <= np.linalg.norm(found, 2) <= c * (1 + 1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1.0, 1e8, 1e300])
def test_any_scale_ends_at_the_same_matrix(scale):
    weight = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(normalised(scale * weight, 4.0), normalised(weight, 4.0), rtol=1e-12)
    small = normalised((1e-30 * weight).float(), 4.0)
    assert _frobenius(small) == pytest.approx(4.0, rel=1e-6)


def test_small_matrices_are_scaled_up_unless_clipped():
    weight = torch.tensor([[0.3, 0.4]])
    assert _frobenius(normalised(weight, 4.0)) == pytest.approx(4.0)
    assert torch.equal(normalised(weight, 4.0, clip=True), weight)
    assert _frobenius(normalised(20 * weight, 4.0, clip=True)) == pytest.approx(4.0)


def test_a_zero_matrix_is_left_and_has_a_gradient_without_nan():
    weight = torch.zeros(2, 3, requires_grad=True)
    found = normalised(weight, 4.0)
    assert torch.equal(found, torch.zeros(2, 3))
    found.sum().backward()
    assert torch.isfinite(weight.grad).all()


def test_matrices_are_normalised_and_biases_are_not():
    model = _model()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(7.0)
    normalization = LipschitzNormalization(model, 4.0)
    normalization.apply()
    assert normalization.names == tuple(f"convs.{i}.lin.weight" for i in range(3))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 7.0).all()
        else:
            assert _frobenius(parameter) == pytest.approx(4.0, rel=1e-5)


def test_attention_vectors_and_embeddings_are_left():
    model = nn.ModuleDict({"gat": _model("gat"), "embedding": nn.Embedding(4, 3)})
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    normalization = LipschitzNormalization(model, 4.0)
    normalization.apply()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == set(normalization.names) == {f"gat.convs.{i}.lin.weight" for i in range(3)}


class Attention(nn.Module):
    """Vectors stored as matrices of one row."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))
        self.att_src, self.bias_table = nn.Parameter(torch.ones(1, 3)), nn.Parameter(torch.ones(1, 3))


def test_attention_vectors_and_biases_that_are_stored_as_matrices_are_left_too():
    assert LipschitzNormalization(Attention(), 4.0).names == ("weight",)


def test_only_what_is_within_the_chosen_modules_is_normalised():
    model = _model()
    assert LipschitzNormalization(model, 4.0, within=[model.convs[1]]).names == ("convs.1.lin.weight",)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_attached_it_is_a_step_and_then_the_division(optimizer):
    model = _model()
    steps = optimizer(model.parameters(), lr=0.1)
    handle = LipschitzNormalization(model, 4.0).attach(steps)
    other = copy.deepcopy(model)
    plain = optimizer(other.parameters(), lr=0.1)
    for _ in range(3):
        for net, stepper in ((model, steps), (other, plain)):
            stepper.zero_grad()
            net(X, EDGES).square().sum().backward()
            stepper.step()
        with torch.no_grad():
            for name, parameter in other.named_parameters():
                if name.endswith("lin.weight"):
                    parameter.mul_(4.0 / _frobenius(parameter))
        for own, reference in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(own, reference, rtol=1e-4, atol=1e-6)
    handle.remove()
    model(X, EDGES).square().sum().backward()
    steps.step()
    assert abs(_frobenius(model.convs[0].lin.weight) - 4.0) > 1e-3


def test_the_parametrisation_computes_the_same_outputs_but_other_gradients():
    model, made = _model(), _model()
    LipschitzNormalization(model, 4.0).apply()
    assert parametrize_frobenius(made, 4.0) == tuple(f"convs.{i}.lin.weight" for i in range(3))
    assert torch.allclose(made(X, EDGES), model(X, EDGES), rtol=1e-4, atol=1e-5)
    for net in (model, made):
        net(X, EDGES).square().sum().backward()
    trained = made.convs[0].lin.parametrizations.weight.original
    through, own = trained.grad, model.convs[0].lin.weight.grad
    trained = trained.detach()
    assert float((trained * through).sum()) == pytest.approx(0.0, abs=1e-3)
    assert abs(float((trained * own).sum())) > 1.0
    # The chain rule by hand: project the gradient off the matrix, and scale it by c / ||W||.
    direction = trained / _frobenius(trained)
    expected = own - (own * direction).sum() * direction
    assert torch.allclose(through, expected * 4.0 / _frobenius(trained), rtol=1e-3, atol=1e-3)
    assert "FrobeniusScaling(c=4)" in repr(made.convs[0].lin.parametrizations)


def test_a_parametrised_model_can_be_saved_and_loaded():
    saved, fresh = _model(), _model(layers=3)
    for model in (saved, fresh):
        parametrize_frobenius(model, 4.0, clip=True)
    with torch.no_grad():
        saved.convs[0].lin.parametrizations.weight.original.mul_(3.0).add_(1.0)
    fresh.load_state_dict(saved.state_dict())
    assert torch.equal(fresh(X, EDGES), saved(X, EDGES))


def test_depth_is_no_obstacle():
    model = _model(layers=512, residual=True)
    LipschitzNormalization(model, 0.1).apply()
    model(X, EDGES).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight


def test_a_shared_matrix_is_normalised_once_and_not_parametrised():
    model = Tied()
    normalization = LipschitzNormalization(model, 2.0)
    normalization.apply()
    assert normalization.names == ("first.weight",)
    assert _frobenius(model.second.weight) == pytest.approx(2.0, rel=1e-6)
    with pytest.raises(InputError, match=r"got 'first.weight'; normalise after each step"):
        parametrize_frobenius(model, 2.0)


def test_parametrising_twice_is_refused():
    model = _model()
    parametrize_frobenius(model, 4.0)
    with pytest.raises(InputError, match="without a parametrisation"):
        parametrize_frobenius(model, 2.0)


@pytest.mark.parametrize("c", [0.0, -1.0, math.inf, math.nan])
def test_a_norm_that_is_none_is_refused(c):
    for make in (LipschitzNormalization, parametrize_frobenius):
        with pytest.raises(InputError, match="c: expected a positive norm"):
            make(_model(), c)


def test_a_model_without_matrices_is_refused():
    with pytest.raises(InputError, match="model: expected a weight matrix to normalise"):
        LipschitzNormalization(nn.LayerNorm(3), 4.0)
