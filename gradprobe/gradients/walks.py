"""Backward passes through a graph that somebody else will walk after us.

Some graphs can be walked once: selective checkpoints and offloading hooks hand out what they kept, custom
functions free it, reversible layers count their passes, the hook of an equilibrium layer takes itself away,
compiled code reuses the memory of what was saved. What such a graph holds is kept before the first pass
and put back after each, so that every pass, and the caller's own after them, finds it as the forward pass
left it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.utils.hooks import RemovableHandle

from gradprobe.gradients.preflight import (
    check_graph,
    check_shown,
    check_unpacks,
    forward_class,
    is_custom,
    nodes_behind,
)
from gradprobe.gradients.sinks import without_ddp_reduction
from gradprobe.gradients.state import KeptDict, KeptTensor, Reach, Snapshot

# Of tensors behind hooks only which there are: their contents are read, not written.
_HOOKS = Reach(modules=False, contents=False)
_FUNCTIONS = Reach(modules=False)
_rewinds: list[Callable[[], None]] = []
_collected: list[Sequence[nn.Parameter]] = []


@contextmanager
def reusable(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter] = ()) -> Iterator[list[Node]]:
    """A block in which `walk` leaves the graph behind some losses as it was; gives the graph's nodes.

    Raises:
        MeasurementError: a function runs a backward pass of its own, and its gradients cannot be collected.
    """
    nodes = nodes_behind(losses)
    check_graph(nodes, collecting=bool(_collected))
    if parameters:
        check_shown(nodes, parameters)
    snapshots = [Snapshot(*roots) for roots in (_functions(nodes), _hooks(nodes, once=len(losses) == 1))]
    compiled = [kept for node in nodes if _is_compiled(node) for kept in _saved_by(node)]
    removed: dict[int, KeptDict] = {}

    def rewind() -> None:
        for snapshot in snapshots:
            snapshot.restore()
        for entry in (*compiled, *removed.values()):
            entry.restore()

    with ExitStack() as stack:
        if any(_is_compiled(node) for node in nodes):
            # What it guards against, memory that is used again, is undone by `rewind`.
            stack.enter_context(torch._functorch.config.patch(donated_buffer=False))
        stack.enter_context(_noting_removals(removed))
        stack.enter_context(without_ddp_reduction(nodes))
        _rewinds.append(rewind)
        stack.callback(_rewinds.pop)
        yield nodes


def walk(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor] | Sequence[GradientEdge],
    grad_outputs: Sequence[Tensor] | None = None,
    *,
    keep_graph: bool = True,
) -> tuple[Tensor | None, ...]:
    """`torch.autograd.grad` that leaves the graph as it was where a block of `reusable` is open."""
    try:
        return torch.autograd.grad(outputs, inputs, grad_outputs, retain_graph=keep_graph, allow_unused=True)
    finally:
        for rewind in _rewinds:
            rewind()


@contextmanager
def collecting(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """A block in which `.grad` of some parameters is empty, and is afterwards what it was.

    What a backward pass inside a function leaves there can be told apart, and goes to nobody else.
    """
    gradients = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    _collected.append(parameters)
    try:
        yield
    finally:
        _collected.pop()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient


def collect() -> dict[int, Tensor]:
    """What the last pass left in `.grad`, by the parameter's id; empties it."""
    found: dict[int, Tensor] = {}
    for parameter in _collected[-1] if _collected else ():
        if parameter.grad is not None:
            found[id(parameter)] = parameter.grad
            parameter.grad = None
    return found


def _functions(nodes: Sequence[Node]) -> tuple[dict[str, object], Reach]:
    """What custom functions keep for their backward pass outside of what autograd saves."""
    roots: dict[str, object] = {}
    for number, node in enumerate(nodes):
        if is_custom(node) and not _is_compiled(node):
            kind = forward_class(node)
            own = {"": vars(node), ".backward": getattr(kind, "backward", None), ".class": kind}
            roots |= {f"{node.name()}#{number}{name}": held for name, held in own.items()}
    return roots, _FUNCTIONS


def _hooks(nodes: Sequence[Node], *, once: bool) -> tuple[dict[str, object], Reach]:
    """The hooks through which saved tensors are fetched back, and what they fetch them from."""
    roots: dict[str, object] = {}
    for number, node in enumerate(nodes):
        for name in _raw_names(type(node)):
            try:
                raw = getattr(node, name)
            except RuntimeError:  # freed by an earlier backward pass; the walk itself will say so
                continue
            for place, entry in enumerate(raw if isinstance(raw, tuple) else (raw,)):
                hook = getattr(entry, "unpack_hook", None)
                if hook is not None:
                    if not once:
                        check_unpacks(hook)
                    lead = f"{node.name()}#{number}.{name}[{place}]"
                    roots |= {f"{lead}.hook": hook, f"{lead}.data": entry.data}
    return roots, _HOOKS


@cache
def _raw_names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_raw_saved_"))


def _is_compiled(node: Node) -> bool:
    return is_custom(node) and node.name() == "CompiledFunctionBackward"


def _saved_by(node: Any) -> list[KeptTensor]:
    """The contents of what compiled code saved for its backward pass, parameters left out."""
    return [KeptTensor(saved) for saved in node.saved_tensors if not (saved.is_leaf and saved.requires_grad)]


@contextmanager
def _noting_removals(removed: dict[int, KeptDict]) -> Iterator[None]:
    """A block in which hooks that are taken away are noted first, so that they can be put back."""
    remove = RemovableHandle.remove

    def noting(handle: RemovableHandle) -> None:
        for reference in (handle.hooks_dict_ref, *handle.extra_dict_ref):
            hooks = reference()
            if hooks is not None and handle.id in hooks and id(hooks) not in removed:
                removed[id(hooks)] = KeptDict(hooks)
        remove(handle)

    RemovableHandle.remove = noting  # type: ignore
    try:
        yield
    finally:
        RemovableHandle.remove = remove  # type: ignore[method-assign]
