"""Everything that a measurement must not change, in a form that compares bit for bit."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests._zoo import Setup

_GENERATORS = (torch.Generator, np.random.Generator, random.Random)


def seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def training_state(setup: Setup) -> dict[str, Any]:
    """Parameters, gradients, buffers, modes, plain attributes, optimiser, random states, outside state."""
    model = setup.model
    return {
        "parameters": _bits(dict(model.named_parameters())),
        "gradients": _bits({name: parameter.grad for name, parameter in model.named_parameters()}),
        "buffers": _bits(dict(model.named_buffers())),
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": {name: len(p._backward_hooks or ()) for name, p in model.named_parameters()},
        "attributes": _attributes(model),
        "optimiser": _bits(setup.optimiser.state_dict()),
        "outside": setup.outside(),
        "generators": [_bits(generator.get_state()) for generator in setup.generators],
        **random_state(),
    }


def random_state() -> dict[str, Any]:
    return {
        "torch": _bits(torch.get_rng_state()),
        "numpy": _bits(np.random.get_state()),  # noqa: NPY002
        "python": random.getstate(),
    }


def assert_same(state: Any, expected: Any, place: str = "") -> None:
    """Equality that names the first place that differs."""
    if isinstance(expected, dict):
        assert list(state) == list(expected), place
        for key in expected:
            assert_same(state[key], expected[key], f"{place}/{key}")
    elif isinstance(expected, list):
        assert len(state) == len(expected), place
        for i, entry in enumerate(expected):
            assert_same(state[i], entry, f"{place}[{i}]")
    else:
        assert state == expected, place


def _attributes(model: nn.Module) -> dict[str, Any]:
    """What modules hold besides parameters, buffers and submodules: tensors, numbers, containers."""
    registries = set(vars(nn.Module()))
    simple = (Tensor, list, dict, set, int, float, str, type(None), deque, np.ndarray, *_GENERATORS)
    return {
        f"{name}.{key}": _bits(value)
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if key not in registries and isinstance(value, simple)
    }


def _bits(value: Any) -> Any:
    """Tensors and arrays as dtype, shape and bytes; containers entry by entry."""
    if isinstance(value, Tensor):
        dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        return (
            str(value.dtype),
            tuple(value.shape),
            dense.contiguous().view(-1).view(torch.uint8).numpy().tobytes(),
        )
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: _bits(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | deque):
        return [_bits(entry) for entry in value]
    if isinstance(value, torch.Generator):
        return _bits(value.get_state())
    if isinstance(value, np.random.Generator):
        return _bits(value.bit_generator.state)
    if isinstance(value, random.Random):
        return value.getstate()
    return value if isinstance(value, set | int | float | str | bool | type(None)) else type(value)
