from __future__ import annotations

import pytest
import torch
from torch import nn

from gradprobe.errors import InputError
from gradprobe.gradients import all_parameters, check_optimizer, diagonal

# Without momentum, decay of weights or of rates, an optimiser moves parameters by -lr D g, and by that alone.
MOVED_BY_D = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9), eps=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.0, 0.9), weight_decay=0.0),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.5), eps=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, eps=0.1),
    "centred rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True, eps=0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.3, eps=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "adam, not foreach": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9), foreach=False),
}


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    optimizer.zero_grad()
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    # Large gradients first, so that a running maximum stays above the running mean.
    (10.0 / (1 + seed) * model(x).square().sum()).backward()
    optimizer.step()


@pytest.mark.parametrize("name", MOVED_BY_D)
@pytest.mark.parametrize("steps", [1, 4])
def test_a_step_moves_parameters_by_the_diagonal_times_the_gradient(name, steps):
    model = _model()
    optimizer = MOVED_BY_D[name](model.parameters())
    for seed in range(steps):
        before = [parameter.detach().clone() for parameter in model.parameters()]
        _step(model, optimizer, seed)
    shared = all_parameters(model)
    found = diagonal(optimizer, shared)
    for own, parameter, start in zip(found, shared.parameters, before, strict=True):
        torch.testing.assert_close(parameter - start, -0.01 * own * parameter.grad, rtol=1e-9, atol=1e-12)


def test_the_largest_square_so_far_counts_under_amsgrad_only():
    plain, running = _model(), _model()
    optimizers = [
        torch.optim.Adam(model.parameters(), betas=(0.0, 0.5), amsgrad=amsgrad)
        for model, amsgrad in ((plain, False), (running, True))
    ]
    for model, optimizer in zip((plain, running), optimizers, strict=True):
        for seed in range(4):
            _step(model, optimizer, seed)
    one, other = (
        diagonal(optimizer, all_parameters(model))
        for model, optimizer in zip((plain, running), optimizers, strict=True)
    )
    assert all((a > 1.2 * b).any() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", sorted(set(MOVED_BY_D) - {"sgd"}))
def test_before_its_first_step_an_optimiser_has_no_diagonal_and_is_left_as_it_was(name):
    model = _model()
    optimizer = MOVED_BY_D[name](model.parameters())
    entries = len(optimizer.state)
    assert diagonal(optimizer, all_parameters(model)) == [None] * 4
    assert len(optimizer.state) == entries


def test_plain_descent_has_a_diagonal_of_ones_from_the_start():
    model = _model()
    found = diagonal(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), all_parameters(model))
    assert all(bool((own == 1.0).all()) for own in found)


def test_options_of_the_parameters_own_group_count():
    model = _model()
    optimizer = torch.optim.Adam(
        [{"params": model[0].parameters(), "eps": 1.0}, {"params": model[1].parameters(), "eps": 1e-8}],
        betas=(0.0, 0.9),
    )
    _step(model, optimizer, 0)
    found = diagonal(optimizer, all_parameters(model))
    for k, parameter in enumerate(model.parameters()):
        expected = 1.0 / (parameter.grad.abs() + (1.0 if k < 2 else 1e-8))
        torch.testing.assert_close(found[k], expected)


def test_an_optimiser_of_other_parameters_is_refused_and_so_is_an_unknown_one():
    model = _model()
    with pytest.raises(InputError, match=r"precondition: .* does not hold '1.weight'; pass the optimiser"):
        diagonal(torch.optim.SGD(model[0].parameters(), lr=0.1), all_parameters(model))
    with pytest.raises(InputError, match="out of Adam, RMSprop, Adagrad, SGD or AdamW, got Adadelta"):
        check_optimizer(torch.optim.Adadelta(model.parameters()))
    with pytest.raises(InputError, match="got Linear"):
        check_optimizer(nn.Linear(1, 1))
    complex_model = nn.Linear(2, 2, dtype=torch.complex64)
    with pytest.raises(InputError, match="real parameters, got the complex 'weight'"):
        diagonal(torch.optim.Adam(complex_model.parameters()), all_parameters(complex_model))
