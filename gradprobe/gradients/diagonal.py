"""The diagonal by which an optimiser multiplies gradients, read off its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, Optimizer, RMSprop

from gradprobe.errors import InputError
from gradprobe.gradients.shared import SharedParameters


def check_optimizer(optimizer: object) -> Optimizer:
    """Refuse what has no known diagonal.

    Raises:
        InputError: names what came and what is known.
    """
    if not isinstance(optimizer, Optimizer) or _rule(optimizer) is None:
        known = ", ".join(kind.__name__ for kind in _RULES)
        raise InputError(
            f"precondition: expected an optimiser of torch.optim out of {known} or AdamW, "
            f"got {type(optimizer).__name__}; others change a gradient by more than a known diagonal"
        )
    return optimizer


def diagonal(optimizer: Optimizer, shared: SharedParameters) -> list[Tensor | None]:
    """The diagonal D of an optimiser, a tensor of each shared parameter's shape; None before its first step.

    An update that has gradient g moves a parameter by `-lr * D g`, less what momentum, weight decay and
    learning rates add to it. D is that of the optimiser's last step: the coming one's depends on the
    update that is still to be made. Adam and AdamW: `1 / (sqrt(v) / sqrt(1 - beta_2^t) + eps)`, with the
    largest v so far under `amsgrad`; RMSprop: `1 / (sqrt(v) + eps)`, with the variance for v where
    centred; Adagrad: `1 / (sqrt(sum of squares) + eps)`; SGD: one.

    Raises:
        InputError: the optimiser does not hold a shared parameter, or one is complex.
    """
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    rule = _rule(optimizer)
    assert rule is not None, "check_optimizer came first"
    found: list[Tensor | None] = []
    for name, parameter in zip(shared.names, shared.parameters, strict=True):
        if id(parameter) not in group_of:
            raise InputError(
                f"precondition: expected the optimiser of the trunk, got one that does not hold {name!r}; "
                "pass the optimiser that moves the shared parameters"
            )
        if parameter.is_complex():
            raise InputError(f"precondition: expected real parameters, got the complex {name!r}")
        # Not optimizer.state[parameter], which would make an entry.
        state = optimizer.state.get(parameter, {})
        moved = isinstance(optimizer, SGD) or float(state.get("step", 0)) > 0
        found.append(rule(parameter.detach(), state, group_of[id(parameter)]) if moved else None)
    return found


_State = Mapping[str, Any]
_Rule = Callable[[Tensor, _State, _State], Tensor]


def _rule(optimizer: Optimizer) -> _Rule | None:
    return next((rule for kind, rule in _RULES.items() if isinstance(optimizer, kind)), None)


def _adam(_: Tensor, state: _State, group: _State) -> Tensor:
    squares = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    correction = 1.0 - float(group["betas"][1]) ** float(state["step"])
    result: Tensor = 1.0 / (squares.sqrt() / correction**0.5 + group["eps"])
    return result


def _rmsprop(_: Tensor, state: _State, group: _State) -> Tensor:
    squares = state["square_avg"]
    if group["centered"]:
        squares = squares - state["grad_avg"] ** 2
    result: Tensor = 1.0 / (squares.sqrt() + group["eps"])
    return result


def _adagrad(_: Tensor, state: _State, group: _State) -> Tensor:
    result: Tensor = 1.0 / (state["sum"].sqrt() + group["eps"])
    return result


def _one(parameter: Tensor, _: _State, __: _State) -> Tensor:
    return torch.ones_like(parameter)


_RULES: Mapping[type[Optimizer], _Rule] = {Adam: _adam, RMSprop: _rmsprop, Adagrad: _adagrad, SGD: _one}
