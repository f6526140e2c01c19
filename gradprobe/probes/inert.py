"""Measuring without leaving a trace in the training state."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from gradprobe.errors import InputError

# What a module keeps in its dictionary besides its state: registries that are restored by their own means.
_REGISTRIES = frozenset(vars(nn.Module())) - {"training"}


@contextmanager
def inert(model: nn.Module, generators: Iterable[Any] = ()) -> Iterator[None]:
    """A block after which model and random state are bit for bit what they were, exceptions included.

    Restores buffers (batch-norm statistics move when a checkpoint is recomputed), train and eval
    flags, the plain attributes of every module (a stateful metric used as a criterion), the global
    random states of torch, CUDA, NumPy and Python, and the given generators of theirs. Gradient hooks on
    parameters, which `torch.autograd.grad` would call, are silent inside: what is measured is the
    gradient before them. Gradients are enabled and autocast is off inside, whatever the caller has.

    Not covered: hooks on intermediate tensors (`retain_grad` among them) and on modules, which run
    once a backward pass; and state outside the model, such as a metric of the caller's own.
    """
    with ExitStack() as stack:
        stack.enter_context(_random_state(generators))
        stack.enter_context(_module_state(model))
        stack.enter_context(_silent_hooks(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in {parameter.device.type for parameter in model.parameters()}:
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A block in eval mode; used inside `inert`, which restores the modes.

    A Lightning module that says itself how its validation enters eval mode is asked to: chemprop's
    keeps its scaling transforms in train mode there, since its losses live on the scaled targets.

    Raises:
        InputError: a lazy parameter has no values yet. A forward pass would draw them from random
            numbers that `inert` puts back, so that training started elsewhere than without it.
    """
    lazy = [name for name, parameter in model.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise InputError(
            f"model: expected initialised parameters, got lazy ones without values ({lazy[0]} first); "
            "run one batch through the model before you measure a split"
        )
    own = _own_validation_switch(model)
    if own is None:
        model.eval()
    else:
        own()
    yield


def generators_of(loader: Any) -> list[Any]:
    """The generators of torch, NumPy and Python that a loader, its samplers or its data set hold.

    Iterating draws from them, besides the global random states.
    """
    batches, dataset = getattr(loader, "batch_sampler", None), getattr(loader, "dataset", None)
    places = [loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None), dataset]
    while (dataset := getattr(dataset, "dataset", None)) is not None:  # a subset's own
        places.append(dataset)
    held = [value for place in places for value in getattr(place, "__dict__", {}).values()]
    return list({id(value): value for value in held if _rewind(value) is not None}.values())


def separate_pass(loader: Iterable[Any]) -> Iterable[Any]:
    """What to iterate over in place of a loader that the caller may be in the middle of.

    A DataLoader with persistent workers has one iterator only: a second pass would cut the first one
    short, and move the random state that its workers keep. Its twin starts workers of its own.
    """
    if not (isinstance(loader, DataLoader) and loader.persistent_workers):
        return loader
    twin = copy.copy(loader)
    vars(twin).update(persistent_workers=False, _iterator=None)
    return twin


def _own_validation_switch(model: nn.Module) -> Any:
    for kind in type(model).__mro__:
        if "on_validation_model_eval" in vars(kind):
            stock = kind.__module__.partition(".")[0] in {"lightning", "pytorch_lightning"}
            return None if stock else model.on_validation_model_eval
    return None


@contextmanager
def _random_state(generators: Iterable[Any]) -> Iterator[None]:
    rewinds = [rewind for generator in generators if (rewind := _rewind(generator)) is not None]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.get_rng_state()
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if started else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        for rewind in rewinds:
            rewind()


def _rewind(generator: Any) -> Callable[[], object] | None:
    """What puts a generator back to where it is now; None for what is no generator."""
    if isinstance(generator, torch.Generator | np.random.RandomState):
        return partial(generator.set_state, generator.get_state())  # type: ignore[arg-type]
    if isinstance(generator, np.random.Generator):
        return partial(setattr, generator.bit_generator, "state", generator.bit_generator.state)
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    return None


@contextmanager
def _module_state(model: nn.Module) -> Iterator[None]:
    saved = [(module, _snapshot(module)) for module in model.modules()]
    try:
        yield
    finally:
        for module, state in saved:
            _restore(module, *state)


_State = tuple[dict[str, Any], dict[str, Any]]


def _snapshot(module: nn.Module) -> tuple[_State, _State]:
    plain = {name: value for name, value in vars(module).items() if name not in _REGISTRIES}
    buffers = dict(module._buffers)
    return (plain, _contents(plain)), (buffers, _contents(buffers))


def _contents(values: dict[str, Any]) -> dict[str, Any]:
    """Copies of what could be changed in place: tensors and containers (a metric's states are either)."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.copy(value)
        for name, value in values.items()
        if isinstance(value, list | dict | set) or (isinstance(value, Tensor) and not _is_expanded(value))
    }


def _is_expanded(tensor: Tensor) -> bool:
    """Whether elements share memory; PyTorch refuses to write into such a tensor."""
    return tensor.layout == torch.strided and any(
        step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)
    )


def _restore(module: nn.Module, plain: _State, buffers: _State) -> None:
    for name in [name for name in vars(module) if name not in _REGISTRIES and name not in plain[0]]:
        del vars(module)[name]
    vars(module).update(plain[0])
    module._buffers.clear()
    module._buffers.update(buffers[0])
    for values, contents in (plain, buffers):
        for name, content in contents.items():
            if isinstance(content, Tensor):
                # Through .data, so that autograd does not take the buffer for modified by the user.
                values[name].data.copy_(content)
            elif isinstance(content, list):
                values[name][:] = content
            else:
                values[name].clear()
                values[name].update(content)


@contextmanager
def _silent_hooks(model: nn.Module) -> Iterator[None]:
    hooked = [parameter for parameter in model.parameters() if parameter._backward_hooks]
    saved = [(parameter._backward_hooks, dict(parameter._backward_hooks or {})) for parameter in hooked]
    for hooks, _ in saved:
        hooks.clear()  # type: ignore[union-attr]
    try:
        yield
    finally:
        for hooks, entries in saved:
            hooks.update(entries)  # type: ignore[union-attr]
