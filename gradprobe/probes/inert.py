"""Measuring without leaving a trace in the training state."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from gradprobe.errors import InputError
from gradprobe.gradients.state import Reach, Snapshot, random_state
from gradprobe.gradients.walks import collecting

_MODEL = Reach(refuse="model")
# Rows of a data set are read, not copied, and long lists of them are not searched for state.
_LOADER = Reach(refuse="loader", modules=False, longest=100)


@contextmanager
def inert(
    model: nn.Module, generators: Iterable[Any] = (), *, loader: object = None, autocast: bool = False
) -> Iterator[None]:
    """A block after which model, loader and random state are bit for bit what they were, exceptions included.

    Restores everything mutable within reach of the model's modules: parameters (an embedding with
    `max_norm` and a momentum encoder move in the forward pass), buffers, train and eval flags, attributes
    with what is in their containers, generators; `.grad`; the global random states of torch, CUDA, NumPy
    and Python; the generators that are given; and of a loader what its samplers, its `collate_fn` and its
    data set hold besides the rows. See `gradients.state.Snapshot` for what is left alone. Gradient hooks on
    parameters, which `torch.autograd.grad` would call, are silent inside: what is measured is the gradient
    before them. Gradients are enabled inside; autocast is off, whatever the caller has, unless `autocast`.

    Not covered: hooks on intermediate tensors (`retain_grad` among them) and on modules, which run
    once a backward pass; and state outside the model, such as a metric of the caller's own.

    Raises:
        InputError: some state can be neither copied nor put back; names it. Nothing has been touched then.
    """
    with ExitStack() as stack:
        stack.enter_context(_kept(model, generators, loader))
        stack.enter_context(random_state())
        parameters = list(model.parameters())
        stack.enter_context(_silent_parameters(parameters))
        stack.enter_context(_no_exchange())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in {parameter.device.type for parameter in parameters} if not autocast else ():
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
def _kept(model: nn.Module, generators: Iterable[Any], loader: object) -> Iterator[None]:
    snapshots = [Snapshot({"": model, "generators": list(generators)}, _MODEL)]
    if loader is not None and not isinstance(loader, Iterator):
        snapshots.append(Snapshot({"": loader}, _LOADER))
    try:
        yield
    finally:
        for snapshot in reversed(snapshots):
            snapshot.restore()


@contextmanager
def _silent_parameters(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Parameters without hooks, and with a `.grad` of their own that only a function inside may fill."""
    held = [
        hooks
        for parameter in parameters
        for hooks in (parameter._backward_hooks, parameter._post_accumulate_grad_hooks)
        if hooks
    ]
    saved = [(hooks, dict(hooks)) for hooks in held]
    for hooks in held:
        hooks.clear()
    try:
        with collecting(parameters):
            yield
    finally:
        for hooks, entries in saved:
            hooks.update(entries)


@contextmanager
def _no_exchange() -> Iterator[None]:
    """A block in which a forward pass through DDP neither prepares an exchange of gradients nor makes one.

    The caller's next pass would wait for the one that we prepared; other processes may not be measuring.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        yield
        return
    met: dict[DistributedDataParallel, tuple[bool, bool]] = {}

    def silence(module: nn.Module, _inputs: Any) -> None:
        if isinstance(module, DistributedDataParallel) and module not in met:
            met[module] = (module.require_backward_grad_sync, module.require_forward_param_sync)
            module.require_backward_grad_sync = module.require_forward_param_sync = False

    handle = register_module_forward_pre_hook(silence)
    try:
        yield
    finally:
        handle.remove()
        for module, (gradients, buffers) in met.items():
            module.require_backward_grad_sync, module.require_forward_param_sync = gradients, buffers
