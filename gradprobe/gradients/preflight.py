"""What is looked for in parameters and graphs before any backward pass, with the remedy for each trap."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from gradprobe.errors import MeasurementError

_CHECKPOINT = "CheckpointFunctionBackward"
# Names in a custom function's backward pass by which it exchanges something between processes.
_COLLECTIVES = frozenset(
    {"all_gather", "all_gather_into_tensor", "all_reduce", "all_to_all", "all_to_all_single"}
    | {"reduce_scatter", "reduce_scatter_tensor", "batch_isend_irecv", "_allgather_base"}
)
_BUILT_IN = (
    "AllGather",
    "AllReduce",
    "AllToAll",
    "ReduceScatter",
    "all_gather",
    "all_reduce",
    "reduce_scatter",
)


def nodes_behind(losses: Iterable[Tensor]) -> list[Node]:
    """Every node of the graph behind some losses, once; each before the nodes it passes gradient to."""
    finished: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(loss.grad_fn, False) for loss in losses if loss.grad_fn is not None]
    while stack:
        node, done = stack.pop()
        if done:
            finished.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((child, False) for child, _ in node.next_functions if child is not None)
    finished.reverse()
    return finished


def is_custom(node: Node) -> bool:
    """Whether a node runs somebody's Python code."""
    return isinstance(node, BackwardCFunction)


def check_graph(nodes: Iterable[Node], *, collecting: bool) -> None:
    """Refuse functions that run a backward pass of their own, where their gradients cannot be collected.

    PyTorch itself objects to its own reentrant checkpoint, and only where a measured parameter lies before
    it. Parameters within such a function are no part of the graph: their gradients go to `.grad` instead,
    would count as zero and would stay there. A probe collects them; elsewhere they are refused.

    Raises:
        MeasurementError: there is one.
    """
    for node in nodes:
        if node.name() == _CHECKPOINT:
            raise MeasurementError(
                "losses: reentrant activation checkpointing cannot be differentiated task by task; "
                "call torch.utils.checkpoint.checkpoint with use_reentrant=False"
            )
        if not collecting and is_reentrant(node):
            raise MeasurementError(
                f"losses: {_name(node)} runs a backward pass of its own, which fills `.grad` on the way; "
                "use torch.utils.checkpoint.checkpoint with use_reentrant=False in its place"
            )


def check_parameters(parameters: Iterable[nn.Parameter], argument: str = "shared") -> None:
    """Refuse parameters of which this process holds a part only.

    Raises:
        MeasurementError: a parameter is a DTensor (FSDP2, tensor parallelism), a flat one of FSDP1's, or one
            that DeepSpeed ZeRO-3 has put away.
    """
    for parameter in parameters:
        sharding = _sharding(parameter)
        if sharding:
            raise MeasurementError(
                f"{argument}: expected whole parameters, got shards ({sharding}); every process holds a part "
                "only, and the graph knows other tensors. Measure an unsharded copy of the model, or train "
                "under DistributedDataParallel while you measure"
            )


def check_shown(nodes: Iterable[Node], parameters: Iterable[nn.Parameter]) -> None:
    """Refuse a trunk that only functions with a backward pass of their own know.

    Raises:
        MeasurementError: no parameter is in the graph, and there is such a function that may use them.
    """
    nodes = list(nodes)
    hidden = [node for node in nodes if is_reentrant(node)]
    if not hidden:
        return
    shown = {id(getattr(node, "variable", None)) for node in nodes}
    if not any(id(parameter) in shown for parameter in parameters):
        raise MeasurementError(
            f"shared: expected parameters in the graph of the losses, got none; {_name(hidden[0])} runs a "
            "backward pass of its own, behind which they may be. Use torch.utils.checkpoint.checkpoint with "
            "use_reentrant=False in its place, or measure with shared='auto'"
        )


def check_unpacks(hook: object) -> None:
    """Refuse a hook on saved tensors that deletes the file it reads: only the first pass would find it.

    Raises:
        MeasurementError: the hook's code removes files.
    """
    names = _names_used(hook, depth=1)
    if names & {"unlink", "rmtree"} or {"os", "remove"} <= names:
        raise MeasurementError(
            "losses: expected saved tensors that can be fetched again, got an unpack hook "
            f"({getattr(hook, '__qualname__', hook)}) that deletes their files; they can be read once. "
            "Call probe.separate_forward(losses_of) in place of measure, or delete the files after backward"
        )


def is_reentrant(node: Node) -> bool:
    """Whether a custom function, not torch's own checkpoint, starts a backward pass in its backward pass."""
    return is_custom(node) and _starts_backward(forward_class(node))


def exchanges(nodes: Iterable[Node]) -> list[str]:
    """The names of functions in a graph whose backward pass waits for other processes."""
    return [node.name() for node in nodes if _waits(node)]


def forward_class(node: Node) -> Any:
    """The class of the custom function behind a node."""
    return getattr(node, "_forward_cls", None)


def reentrant_names(nodes: Iterable[Node]) -> list[str]:
    """The names of the functions that run a backward pass of their own."""
    return sorted({_name(node) for node in nodes if is_reentrant(node)})


def _waits(node: Node) -> bool:
    if not is_custom(node):
        return any(part in node.name() for part in _BUILT_IN)
    return _exchanges(forward_class(node))


@cache
def _exchanges(kind: Any) -> bool:
    if (getattr(kind, "__module__", None) or "").startswith("torch.distributed.nn"):
        return True
    return bool(_COLLECTIVES & _names_used(getattr(kind, "backward", None), depth=2))


@cache
def _starts_backward(kind: Any) -> bool:
    names = _names_used(getattr(kind, "backward", None), depth=2)
    return "backward" in names and bool(names & {"enable_grad", "set_grad_enabled"})


def _name(node: Node) -> str:
    return repr(node.name().removesuffix("Backward"))


def _sharding(parameter: nn.Parameter) -> str:
    if any(kind.__name__ == "DTensor" for kind in type(parameter).__mro__):
        return "a DTensor, as FSDP2 and tensor parallelism make them"
    if getattr(parameter, "_is_flat_param", False):
        return "a flat parameter of FSDP1's"
    return "put away by DeepSpeed ZeRO-3" if hasattr(parameter, "ds_tensor") else ""


def _names_used(function: object, *, depth: int) -> set[str]:
    """The names that a function's code mentions, those in functions it calls by a global name included."""
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, types.FunctionType):
        return set()
    pending: Sequence[types.CodeType] = [function.__code__]
    names: set[str] = set()
    while pending:
        code, *pending = pending
        names.update(code.co_names)
        pending = [*pending, *(own for own in code.co_consts if isinstance(own, types.CodeType))]
    if depth:
        for name in list(names):
            names |= _names_used(function.__globals__.get(name), depth=depth - 1)
    return names
