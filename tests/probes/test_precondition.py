from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.geometry import heldout_products
from gradprobe.probes import GradientProbe
from gradprobe.trace import Trace
from tests import _oracles
from tests._zoo import Setup
from tests.probes._state import assert_same, training_state

X = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
NAMES = {"a": range(6), "b": range(6, 12)}


def _losses(model: nn.Module, rows: slice = slice(12)) -> dict[str, Tensor]:
    squares = (model(X[rows]) - 1.0).square()
    half = len(squares) // 2
    return {"a": squares[:half, 0], "b": squares[half:, 1]}


def _trained(steps: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.LayerNorm(6))
    model = nn.Sequential(trunk, nn.Linear(6, 2)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.8, 0.95))
    for _ in range(steps):
        optimizer.zero_grad()
        sum(loss.mean() for loss in _losses(model).values()).backward()
        optimizer.step()
    return model, optimizer


def _explicit_diagonal(steps: int) -> dict[str, np.ndarray]:
    """Adam by hand: running means of squared gradients, corrected for their start at zero."""
    model, _ = _trained(0)
    rate, (one, two), eps = 0.01, (0.8, 0.95), 1e-8
    mean = {name: np.zeros(p.shape) for name, p in model.named_parameters()}
    square = {name: np.zeros(p.shape) for name, p in model.named_parameters()}
    for step in range(1, steps + 1):
        model.zero_grad()
        sum(loss.mean() for loss in _losses(model).values()).backward()
        for name, parameter in model.named_parameters():
            g = parameter.grad.numpy()
            mean[name] = one * mean[name] + (1 - one) * g
            square[name] = two * square[name] + (1 - two) * g**2
            scale = 1 / (np.sqrt(square[name] / (1 - two**step)) + eps)
            parameter.data -= torch.from_numpy(rate * scale * mean[name] / (1 - one**step))
    return {name: 1 / (np.sqrt(own / (1 - two**steps)) + eps) for name, own in square.items()}


@pytest.mark.parametrize("engine", ["rowwise", "loop"])
@pytest.mark.parametrize("folded", [False, True])
def test_preconditioned_products_are_those_of_a_slow_loop_with_an_explicit_diagonal(engine, folded):
    model, optimizer = _trained()
    D = _explicit_diagonal(3)
    probe = GradientProbe(model, focal="a", shared=model[0], engine=engine, precondition=optimizer)
    with probe.heldout():
        judge = _losses(model, slice(12, 30))["a"]
    plain = probe.measure(_losses(model), rows=NAMES if folded else None, heldout=judge)
    (own,) = probe.trace.preconditioned
    assert (own.geometry, plain.geometry) == ("preconditioned", "plain")
    assert own.gramian.groups == plain.gramian.groups
    assert own.gramian.rows == plain.gramian.rows
    np.testing.assert_array_equal(own.losses, plain.losses)
    merged = own.gramian.by_task().values if folded else own.gramian.without_heldout().values
    gradients = _oracles.task_gradients(model, lambda m, _: _losses(m), None, seed=0)
    layers = {layer: [f"0.{layer}.weight", f"0.{layer}.bias"] for layer in ("0", "2", "3")}
    rooted = {
        task: {name: np.sqrt(D[name]) * g for name, g in own_gradients.items()}
        for task, own_gradients in gradients.items()
    }
    oracle = _oracles.gramian_by_loops(rooted, layers)
    _oracles.assert_gramians_agree(merged, oracle, 1e-10)
    heldout = _oracles.task_gradients(model, lambda m, _: {"a": _losses(m, slice(12, 30))["a"]}, None, seed=0)
    effects = heldout_products([own.gramian], focal="a")[1][0]
    for task, effect in zip("ab", effects, strict=True):
        expected = sum(
            (gradients[task][name] * D[name] * heldout["a"][name]).sum()
            for names in layers.values()
            for name in names
        )
        assert effect == pytest.approx(expected, rel=1e-9)


def test_a_step_along_a_preconditioned_gradient_changes_the_other_loss_by_their_product():
    model, optimizer = _trained()
    probe = GradientProbe(model, focal="a", shared=model[0], precondition=optimizer)
    probe.measure(_losses(model))
    products = probe.trace.preconditioned[0].gramian.total
    trunk = list(model[0].parameters())
    D = [v for name, v in _explicit_diagonal(3).items() if name.startswith("0.")]
    rate = 1e-5
    for i, task in enumerate("ab"):
        gradients = torch.autograd.grad(_losses(model)[task].mean(), trunk)

        def moved(sign: float, gradients: Any = gradients) -> dict[str, float]:
            twin = copy.deepcopy(model)
            for parameter, d, g in zip(twin[0].parameters(), D, gradients, strict=True):
                parameter.data -= sign * rate * torch.from_numpy(d) * g
            return {name: loss.mean().item() for name, loss in _losses(twin).items()}

        ahead, behind = moved(1.0), moved(-1.0)
        for j, other in enumerate("ab"):
            change = (ahead[other] - behind[other]) / 2
            assert change == pytest.approx(-rate * products[i, j], rel=1e-3)
    assert not np.allclose(products, probe.trace.gramians[0].gramian.total, rtol=0.1)


def test_plain_descent_leaves_the_products_as_they_are():
    model, _ = _trained()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probe = GradientProbe(model, focal="a", shared=model[0], precondition=optimizer)
    record = probe.measure(_losses(model))
    _oracles.assert_gramians_agree(probe.trace.preconditioned[0].gramian.values, record.gramian.values, 1e-12)


def test_before_the_first_step_nothing_is_preconditioned_and_the_note_says_why():
    model, optimizer = _trained(0)
    probe = GradientProbe(model, focal="a", shared=model[0], precondition=optimizer)
    record = probe.measure(_losses(model))
    assert "not preconditioned, since the optimiser has not yet moved '0.0.weight'" in record.note
    assert probe.trace.preconditioned == []
    optimizer.zero_grad()
    sum(loss.mean() for loss in _losses(model).values()).backward()
    optimizer.step()
    assert not probe.measure(_losses(model)).note
    assert len(probe.trace.preconditioned) == 1


def test_a_parameter_that_no_loss_reaches_needs_no_diagonal():
    model, optimizer = _trained()
    model[0].register_parameter("spare", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    optimizer.add_param_group({"params": [model[0].spare]})
    probe = GradientProbe(model, focal="a", shared=model[0], precondition=optimizer)
    probe.measure(_losses(model))
    assert len(probe.trace.preconditioned) == 1


def test_measuring_leaves_model_and_optimiser_as_they_were():
    for steps in (0, 2):
        model, optimizer = _trained(steps)
        before = training_state(Setup(model, [], lambda *_: {}, optimizer))
        entries = len(optimizer.state)
        probe = GradientProbe(model, focal="a", precondition=optimizer)
        losses = _losses(model)
        probe.measure(losses)
        probe.measure_loader([slice(12)], _losses, split="heldout")
        assert_same(training_state(Setup(model, [], lambda *_: {}, optimizer)), before)
        assert len(optimizer.state) == entries


def test_whole_splits_are_preconditioned_too():
    model, optimizer = _trained()
    probe = GradientProbe(model, focal="a", shared=model[0], precondition=optimizer)
    probe.measure(_losses(model))
    for rows in (None, "positions"):
        record = probe.measure_loader([slice(12)], _losses, split="train", rows=rows)
        own = probe.trace.preconditioned[-1]
        assert own.split == "train"
        assert own.gramian.groups == record.gramian.groups
        reference = probe.trace.preconditioned[0].gramian
        _oracles.assert_gramians_agree(own.gramian.by_task().values, reference.values, 1e-10)


def test_a_stored_trace_keeps_both_geometries_apart(tmp_path):
    model, optimizer = _trained()
    with GradientProbe(model, focal="a", out=tmp_path / "trace", precondition=optimizer) as probe:
        probe.measure(_losses(model))
        probe.measure(_losses(model))
    stored = Trace.load(tmp_path / "trace")
    assert [record.geometry for record in stored.gramians] == ["plain"] * 2
    assert [record.geometry for record in stored.preconditioned] == ["preconditioned"] * 2
    np.testing.assert_array_equal(
        stored.preconditioned[0].gramian.values, probe.trace.preconditioned[0].gramian.values
    )
    plain, other = stored.frame(), stored.frame(geometry="preconditioned")
    assert plain[plain.quantity == "learning_rate"].value.tolist() == [0.01, 0.01]
    plain, other = (table[table.quantity != "learning_rate"] for table in (plain, other))
    assert set(plain.geometry) == {"plain"}
    assert set(other.geometry) == {"preconditioned"}
    assert len(plain) == len(other)
    cosine = other[(other.quantity == "cosine") & (other.layer == "")].value.iloc[0]
    products = probe.trace.preconditioned[0].gramian.total
    assert cosine == pytest.approx(products[0, 1] / np.sqrt(products[0, 0] * products[1, 1]))


def test_an_optimiser_without_a_known_diagonal_is_refused_at_once():
    model, _ = _trained(0)
    with pytest.raises(InputError, match="precondition: expected an optimiser of"):
        GradientProbe(model, focal="a", precondition=torch.optim.Adamax(model.parameters()))


def _rates(trace: Trace) -> list[tuple[int, str, float]]:
    return [(q.step, q.layer, q.value) for q in trace.quantities if q.name == "learning_rate"]


def test_the_learning_rate_of_every_measured_minibatch_is_recorded_as_a_schedule_moves_it(tmp_path):
    model, optimizer = _trained(0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with GradientProbe(
        model, focal="a", shared=model[0], precondition=optimizer, every=2, out=tmp_path / "t"
    ) as probe:
        for _ in range(5):
            losses = _losses(model)
            probe.measure(losses)
            optimizer.zero_grad()
            sum(loss.mean() for loss in losses.values()).backward()
            optimizer.step()
            schedule.step()
    assert _rates(Trace.load(tmp_path / "t")) == [(0, "", 0.01), (2, "", 0.0025), (4, "", 0.000625)]


def test_layers_with_rates_of_their_own_are_recorded_one_by_one_and_mixed_ones_undefined():
    model, _ = _trained(0)
    trunk = model[0]
    slow = [trunk[0].weight, trunk[0].bias, trunk[2].weight]
    rest = [p for p in model.parameters() if all(p is not other for other in slow)]
    optimizer = torch.optim.SGD([{"params": slow, "lr": 0.1}, {"params": rest, "lr": 1.0}], lr=1.0)
    probe = GradientProbe(model, focal="a", shared=trunk, precondition=optimizer)
    probe.measure(_losses(model))
    found = {layer: rate for _, layer, rate in _rates(probe.trace)}
    assert list(found.values()) == [0.1, pytest.approx(np.nan, nan_ok=True), 1.0]
    undefined = [q for q in probe.trace.quantities if np.isnan(q.value)]
    assert len(undefined) == 1
    assert "several learning rates" in undefined[0].reason


def test_without_an_optimiser_no_learning_rate_is_made_up():
    model, _ = _trained(0)
    probe = GradientProbe(model, focal="a", shared=model[0])
    probe.measure(_losses(model))
    assert _rates(probe.trace) == []
