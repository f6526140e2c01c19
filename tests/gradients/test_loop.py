from __future__ import annotations

import numpy as np
import pytest
import torch

from gradprobe.gradients import LoopEngine, all_parameters
from gradprobe.probes import inert
from tests import _oracles
from tests._zoo import Case, zoo

CASES = [(case, dtype) for case in zoo() for dtype in case.dtypes if dtype != torch.bfloat16]
NAMED = pytest.mark.parametrize(
    ("case", "dtype"), CASES, ids=[f"{case.name}-{str(dtype)[6:]}" for case, dtype in CASES]
)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def _measured(case: Case, dtype: torch.dtype):
    """One batch of a case: what the engine captures, the oracle's gradients, the layers by name."""
    setup = case.build(dtype)
    torch.manual_seed(1)
    batch = next(iter(setup.loader))
    shared = all_parameters(setup.model)
    gradients = _oracles.task_gradients(setup.model, setup.losses, batch, seed=3)
    torch.manual_seed(3)
    losses = {task: loss.mean() for task, loss in setup.losses(setup.model, batch).items() if loss.numel()}
    assert list(losses) == list(gradients)
    with inert(setup.model):
        capture = LoopEngine().capture(list(losses.values()), shared)
    return setup, shared, losses, capture, gradients


def _names_by_layer(shared) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name in shared.names:
        layers.setdefault(name.rsplit(".", 1)[0], []).append(name)
    return layers


@NAMED
def test_the_gramian_is_that_of_one_forward_and_backward_a_task(case, dtype):
    _, shared, _, capture, gradients = _measured(case, dtype)
    layers = _names_by_layer(shared)
    assert tuple(layers) == shared.layers
    oracle = _oracles.gramian_by_loops(gradients, layers)
    assert np.trace(oracle.sum(axis=0)) > 0
    _oracles.assert_gramians_agree(capture.gramian(), oracle, TOLERANCE[dtype])


@NAMED
def test_layers_add_up_to_the_gramian_of_all_parameters_as_one(case, dtype):
    setup, shared, losses, capture, gradients = _measured(case, dtype)
    whole = all_parameters(setup.model, lambda name: "all")
    with inert(setup.model):
        together = LoopEngine().capture(list(losses.values()), whole)
    oracle = _oracles.gramian_by_loops(gradients, {"all": shared.names})
    _oracles.assert_gramians_agree(together.gramian(), oracle, TOLERANCE[dtype])
    _oracles.assert_gramians_agree(
        capture.gramian().sum(axis=0, keepdims=True), together.gramian(), TOLERANCE[dtype]
    )


@NAMED
def test_combined_is_the_weighted_sum_of_the_task_gradients_in_their_dtype(case, dtype):
    _, shared, _, capture, gradients = _measured(case, dtype)
    weights = np.array([0.5, -2.0, 1.25])
    rounding = 1e3 * torch.finfo(dtype).eps
    for name, parameter, update in zip(
        shared.names, shared.parameters, capture.combined(weights), strict=True
    ):
        parts = [w * own[name] for w, own in zip(weights, gradients.values(), strict=True) if name in own]
        if not parts:
            assert update is None, name
            continue
        dense = update.to_dense() if update.layout != torch.strided else update
        assert dense.dtype == dtype
        assert dense.shape == parameter.shape
        size = max(float(np.abs(part).max()) for part in parts)
        np.testing.assert_allclose(dense.double().numpy(), sum(parts), rtol=0, atol=rounding * size)


@NAMED
def test_the_graph_stays_usable_for_the_callers_backward(case, dtype):
    setup, _, losses, _, gradients = _measured(case, dtype)
    sum(losses.values()).backward()
    # Gradients that cancel (a bias before batch norm) are rounding dust of the largest ones.
    size = max(float(np.abs(part).max()) for own in gradients.values() for part in own.values())
    rounding = 0.05 if case.name == "autocast" else 1e3 * torch.finfo(dtype).eps
    for name, parameter in setup.model.named_parameters():
        parts = [own[name] for own in gradients.values() if name in own]
        assert (parameter.grad is None) == (not parts), name
        if parts:
            hooked = 0.5 if setup.outside() and name == "trunk.0.weight" else 1.0
            own = parameter.grad.to_dense().double().numpy()
            np.testing.assert_allclose(own, hooked * sum(parts), rtol=0, atol=rounding * size)


def test_a_frozen_layer_is_no_part_of_the_measured_parameters():
    setup = next(case for case in zoo() if case.name == "frozen_layer").build()
    shared = all_parameters(setup.model)
    assert "trunk.0" not in shared.layers
    assert "trunk.4" in shared.layers


def test_a_layer_frozen_after_it_was_named_counts_as_not_reached():
    setup = next(case for case in zoo() if case.name == "mlp_dropout_batchnorm").build()
    shared = all_parameters(setup.model)
    setup.model.trunk[0].requires_grad_(False)
    batch = next(iter(setup.loader))
    losses = [loss.mean() for loss in setup.losses(setup.model, batch).values()]
    values = LoopEngine().capture(losses, shared).gramian()
    assert (values[shared.layers.index("trunk.0")] == 0).all()
    assert values[shared.layers.index("trunk.4")].any()


def test_tied_weights_count_once_under_their_first_name():
    setup = next(case for case in zoo() if case.name == "tied_weights").build()
    shared = all_parameters(setup.model)
    assert shared.names == ("tokens.weight", "mix.weight", "mix.bias")
    assert shared.counts == (66, 42)


def test_gradients_of_a_big_layer_are_summed_over_all_their_pieces():
    from torch import nn

    layer = nn.Linear(700, 400, bias=False)
    x = torch.randn(2, 700, generator=torch.Generator().manual_seed(0))
    losses = [layer(x)[0].pow(2).mean(), layer(x)[1].pow(2).mean(), layer(x).pow(2).mean()]
    shared = all_parameters(layer)
    assert shared.counts[0] > 2 * (1 << 17)
    rows = [torch.autograd.grad(loss, layer.weight, retain_graph=True)[0].double() for loss in losses]
    oracle = np.array([[[float((a * b).sum()) for b in rows] for a in rows]])
    _oracles.assert_gramians_agree(LoopEngine().capture(losses, shared).gramian(), oracle, 1e-12)


def test_products_are_summed_in_double_precision():
    from torch import nn

    layer = nn.Linear(100_000, 1, bias=False)
    gradient = torch.full((1, 100_000), 0.1)
    loss = (layer.weight * gradient).sum()
    value = LoopEngine().capture([loss, loss], all_parameters(layer)).gramian()[0, 0, 1]
    assert value == pytest.approx(100_000 * float(gradient[0, 0].double()) ** 2, rel=1e-12)


def test_complex_gradients_count_with_their_imaginary_parts():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3, dtype=torch.complex128))
    model = torch.nn.ParameterList([weight])
    directions = torch.randn(2, 3, dtype=torch.complex128)
    losses = [(weight * direction).sum().abs() for direction in directions]
    gradients = [torch.autograd.grad(loss, weight, retain_graph=True)[0].numpy() for loss in losses]
    parts = np.array([np.concatenate([gradient.real, gradient.imag]) for gradient in gradients])
    capture = LoopEngine().capture(losses, all_parameters(model))
    np.testing.assert_allclose(capture.gramian()[0], parts @ parts.T, rtol=1e-12)
