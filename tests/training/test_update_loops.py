"""CombinedUpdate in the loops that people run: accumulation, loss scaling, unfreezing, one loss a row."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe import combiners
from gradprobe.errors import InputError, MeasurementError
from gradprobe.training import CombinedUpdate


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.neck, self.trunk = nn.Linear(3, 4), nn.Linear(4, 5)
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in "ab"})

    def losses(self, x):
        h = torch.tanh(self.trunk(torch.tanh(self.neck(x))))
        return {task: (head(h)[:, 0] - i).square() for i, (task, head) in enumerate(self.heads.items())}

    def means(self, x):
        return {task: loss.mean() for task, loss in self.losses(x).items()}


X = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def update_of(model, name="average", shared=None, **options):
    shared = model.trunk if shared is None else shared
    return CombinedUpdate(model, combiners.get(name), tasks=["a", "b"], focal="a", shared=shared, **options)


def grads(model):
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def assert_grads(model, expected, **options):
    for name, gradient in grads(model).items():
        if expected[name] is None:
            assert gradient is None
        else:
            torch.testing.assert_close(gradient, expected[name], **options)


def weighted(model, losses, weights, scale=1.0):
    """The slow way: trunk gradients weighted one by one, all others raw."""
    found = {}
    for name, parameter in model.named_parameters():
        rows = [
            torch.autograd.grad(loss, parameter, retain_graph=True, allow_unused=True)[0]
            for loss in losses.values()
        ]
        factors = weights if name.startswith("trunk") else [1.0] * len(rows)
        parts = [float(f) * scale * row for f, row in zip(factors, rows, strict=True) if row is not None]
        found[name] = sum(parts) if parts else None
    return found


@pytest.mark.parametrize("name", ["average", "pcgrad", "cagrad"])
def test_micro_batches_add_up(name):
    model = Net()
    update = update_of(model, name)
    expected = None
    for part in X.split(2):
        losses = {task: loss / 4 for task, loss in model.means(part).items()}
        weights = update({task: loss / 4 for task, loss in model.means(part).items()})
        own = weighted(model, losses, weights)
        expected = own if expected is None else {key: expected[key] + own[key] for key in own}
    assert_grads(model, expected)
    if name == "average":
        whole = Net()
        update_of(whole)(whole.means(X))
        assert_grads(model, grads(whole), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["average", "pcgrad"])
def test_a_scaler_takes_the_step_of_a_run_without_it(name):
    plain, scaled = Net(), Net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    steps = {model: torch.optim.SGD(model.parameters(), 0.1) for model in (plain, scaled)}
    without, with_scaler = update_of(plain, name), update_of(scaled, name, scaler=scaler)
    for _ in range(3):
        for optimizer in steps.values():
            optimizer.zero_grad()
        weights = without(plain.losses(X))
        np.testing.assert_allclose(with_scaler(scaled.losses(X)), weights, rtol=1e-5)
        steps[plain].step()
        scaler.step(steps[scaled])
        scaler.update()
    for one, other in zip(plain.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_losses_that_the_caller_has_scaled_give_scaled_gradients():
    model = Net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    update_of(model, "pcgrad")({task: scaler.scale(loss) for task, loss in model.means(X).items()})
    plain = Net()
    update_of(plain, "pcgrad")(plain.means(X))
    assert_grads(model, {name: own * 2.0**10 for name, own in grads(plain).items()})


class Counting:
    """Averaging that counts how often it was asked, and looks at gradients."""

    name, needs_gramian, needs_losses, last_layer_only = "counting", True, False, False
    asked = 0

    def weights(self, gramian, *, focal=0, present=None, losses=None):
        self.asked += 1
        return combiners.get("average").weights(gramian, focal=focal, present=present, losses=losses)


def test_an_overflow_skips_the_step_and_the_combiner_and_lowers_the_scale():
    model, combiner = Net(), Counting()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    update = CombinedUpdate(model, combiner, tasks=["a", "b"], focal="a", shared=model.trunk, scaler=scaler)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = copy.deepcopy(model.state_dict())
    weights = update({task: loss * 1e6 for task, loss in model.losses(X).items()})
    assert np.isnan(weights).all()
    assert combiner.asked == 0
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**126
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_one_loss_a_row_is_its_mean_and_an_empty_vector_a_missing_task():
    rows, means = Net(), Net()
    update_of(rows, "pcgrad")(rows.losses(X))
    update_of(means, "pcgrad")(means.means(X))
    assert_grads(rows, grads(means))
    model = Net()
    losses = model.losses(X)
    assert update_of(model)({"a": losses["a"], "b": losses["b"][:0]}).tolist() == [1.0, 0.0]
    assert all(parameter.grad is None for parameter in model.heads["b"].parameters())


@pytest.mark.parametrize("name", ["average", "pcgrad"])
def test_the_trunk_is_found_where_it_is_not_named(name):
    auto, named = Net(), Net()
    update, reference = (
        update_of(auto, name, "auto"),
        update_of(named, name, [*named.neck.parameters(), *named.trunk.parameters()]),
    )
    for part in X.split(4):
        np.testing.assert_allclose(update(auto.means(part)), reference(named.means(part)), rtol=1e-5)
    assert_grads(auto, grads(named))


@pytest.mark.parametrize("shared", ["trunk", "auto"])
@pytest.mark.parametrize("name", ["average", "pcgrad"])
def test_a_trunk_unfrozen_later_is_combined_from_then_on(name, shared):
    model = Net()
    model.trunk.requires_grad_(False)
    update = update_of(model, name, "auto" if shared == "auto" else None)
    if shared == "trunk":
        model.neck.requires_grad_(False)
        assert np.isnan(update(model.means(X))).all()
        assert model.heads["a"].weight.grad is not None
    else:
        update(model.means(X))
    assert model.trunk.weight.grad is None
    model.trunk.requires_grad_(True)
    model.zero_grad()
    losses = model.means(X)
    weights = update(model.means(X))
    rows = [torch.autograd.grad(loss, model.trunk.weight, retain_graph=True)[0] for loss in losses.values()]
    torch.testing.assert_close(
        model.trunk.weight.grad, float(weights[0]) * rows[0] + float(weights[1]) * rows[1]
    )


class Experts(nn.Module):
    """Two experts of which a step uses one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Linear(3, 4)
        self.experts = nn.ModuleList([nn.Linear(4, 5), nn.Linear(4, 5)])
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in "ab"})

    def means(self, x, expert):
        h = torch.tanh(self.experts[expert](torch.tanh(self.stem(x))))
        return {
            task: (head(h)[:, 0] - i).square().mean() for i, (task, head) in enumerate(self.heads.items())
        }


@pytest.mark.parametrize("name", ["average", "pcgrad"])
def test_an_expert_idle_at_first_belongs_to_the_trunk_once_it_is_used(name):
    auto, named = Experts(), Experts()
    trunk = [*named.stem.parameters(), *named.experts.parameters()]
    update, reference = update_of(auto, name, "auto"), update_of(named, name, trunk)
    for step, expert in enumerate([0, 1, 0, 1]):
        part = X.split(2)[step]
        np.testing.assert_allclose(
            update(auto.means(part, expert)), reference(named.means(part, expert)), rtol=1e-5
        )
        assert_grads(auto, grads(named))


def test_parameters_put_in_the_place_of_others_are_trained():
    model = Net()
    update = update_of(model)
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    update(model.means(X))
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_no_error_leaves_anything_in_grad():
    model = Net()
    update = update_of(model, "pcgrad")
    losses = model.means(X)
    with pytest.raises(InputError, match="expected a scalar tensor or one number a row, got shape"):
        update({"a": losses["a"], "b": model.losses(X)["b"][:, None]})
    with pytest.raises(InputError, match="expected the loss of at least one task, got none"):
        update({})
    with pytest.raises(MeasurementError, match="expected finite losses, got NaN"):
        update({"a": losses["a"], "b": losses["b"] * float("nan")})
    with pytest.raises(MeasurementError, match=r"torch.no_grad"):
        update({"a": losses["a"], "b": losses["b"].detach()})
    with pytest.raises(MeasurementError, match="another copy of the model"):
        update(Net().means(X))
    losses["a"].backward()
    model.zero_grad()
    with pytest.raises(MeasurementError, match="already freed"):
        update(losses)
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(InputError, match="shared: expected 'auto'"):
        update_of(model, shared="trunk")


def test_averaging_too_says_when_no_loss_reaches_the_trunk():
    model = Net()
    with pytest.raises(MeasurementError, match="another copy of the model"):
        update_of(model)(Net().means(X))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_that_autograd_hands_out_twice_do_not_add_up_twice():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = nn.Linear(2, 3)
            self.one, self.two = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))

    model = Sum()
    update = update_of(model)
    for _ in range(2):
        h = model.trunk(torch.ones(4, 2))
        update({"a": (h + model.one + model.two - 1).square().mean(), "b": h.mean()})
    assert model.one.grad.data_ptr() != model.two.grad.data_ptr()
    single = Sum()
    single.load_state_dict(model.state_dict())
    h = single.trunk(torch.ones(4, 2))
    ((h + single.one + single.two - 1).square().mean() + h.mean()).backward()
    torch.testing.assert_close(model.one.grad, 2 * single.one.grad)
