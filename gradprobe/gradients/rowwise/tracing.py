"""Whose row is it, read off the graph: owners of rows followed down through row-wise operations.

From rows whose owners are known, gradient flows on through operations that keep rows apart (a linear
layer, an activation) or that move rows by an index the graph has saved (gathering the atoms of an edge,
summing the edges of an atom). Where only such operations lie between, no second backward pass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.gradients.rowwise.graph import (
    AutogradGraph,
    UnreadableNodeError,
    kind,
    leaf,
    saved,
    shape,
    signed,
)
from gradprobe.gradients.rowwise.rows import NOBODY


class UntraceableError(Exception):
    """An operation on the way that is not known to keep rows apart."""


class OwnersMeetError(UntraceableError):
    """An operation on the way that brings the rows of two owners together."""


def follow(graph: AutogradGraph, known: Mapping[Node, Tensor]) -> Mapping[Node, Tensor]:
    """The owners [rows] of all nodes below some whose owners [rows] are known.

    Rows are those of the first dimension of a node's output. Exact for nodes that every loss reaches
    through a known node only; the owners that are known are taken as they are.

    Raises:
        OwnersMeetError: an operation brings rows of two owners together.
        UntraceableError: an operation is not known to keep rows apart.
    """
    owners: dict[Node, Tensor] = dict(known)
    for node in graph.nodes:
        if node in owners:
            for child, owner in _passed_on(node, owners[node]):
                if child not in known:
                    owners[child] = owner if child not in owners else _agreed(owners[child], owner)
    return owners


def _passed_on(node: Node, owner: Tensor) -> Iterator[tuple[Node, Tensor]]:
    for slot, (child, output) in enumerate(node.next_functions):
        if child is None or _is_parameter(child):
            continue
        rule = _RULES.get((kind(node), slot), _RULES.get((kind(node), None)))
        if rule is None or output != 0:
            raise UntraceableError(f"{node.name()} is not known to keep rows apart")
        try:
            yield child, rule(node, slot, owner)
        except UnreadableNodeError as error:
            raise UntraceableError(str(error)) from error


def _is_parameter(node: Node) -> bool:
    """Whether a node leads to a leaf only, transposed or cast at most."""
    while kind(node) in ("TBackward0", "ToCopyBackward0"):
        (child, _), *_ = node.next_functions
        if child is None:
            return True
        node = child
    return leaf(node) is not None


def _agreed(one: Tensor, other: Tensor) -> Tensor:
    if bool(((one != other) & (one != NOBODY) & (other != NOBODY)).any()):
        raise OwnersMeetError("rows of two owners meet")
    return torch.maximum(one, other)


def _same(node: Node, slot: int, owner: Tensor) -> Tensor:
    """Rows stay where they are."""
    child = node.next_functions[slot][0]
    if child is None or not shape(child) or shape(child)[0] != len(owner) or shape(node)[0] != len(owner):
        raise UntraceableError(f"{node.name()} changes the number of rows")
    if len(shape(child)) != len(shape(node)) and not kind(node).endswith("ViewBackward0"):
        raise UntraceableError(f"{node.name()} broadcasts rows")
    return owner


def _concatenated(node: Node, slot: int, owner: Tensor) -> Tensor:
    """Joined side by side rows stay where they are; joined end to end each part has its stretch."""
    children = [child for child, _ in node.next_functions]
    if signed(saved(node, "dim")) % len(shape(node)) != 0:
        return _same(node, slot, owner)
    if None in children:
        raise UntraceableError("rows were joined with constants of unknown number")
    sizes = [shape(child)[0] for child in children if child is not None]
    start = sum(sizes[:slot])
    return owner[start : start + sizes[slot]]


def _normalised(node: Node, slot: int, owner: Tensor) -> Tensor:
    if len(saved(node, "normalized_shape")) >= len(shape(node)):
        raise UntraceableError("normalised across rows")
    return _same(node, slot, owner)


def _batch_normalised(node: Node, slot: int, owner: Tensor) -> Tensor:
    if saved(node, "training"):
        raise UntraceableError("batch statistics mix rows")
    return _same(node, slot, owner)


def _gathered(node: Node, slot: int, owner: Tensor, *, index: Callable[[Node], Tensor]) -> Tensor:
    """Output row r is input row `index[r]`: an input row's owners are those of all its copies."""
    child = node.next_functions[slot][0]
    places = index(node)
    if child is None or len(places) != len(owner):
        raise UntraceableError(f"{node.name()} changes the number of rows")
    size = shape(child)[0]
    owned = owner != NOBODY
    last = owner.new_full((size,), NOBODY).scatter_reduce_(0, places, owner, "amax")
    first = torch.full_like(last, torch.iinfo(owner.dtype).max)
    first.scatter_reduce_(0, places[owned], owner[owned], "amin")
    if bool(((last != NOBODY) & (first != last)).any()):
        raise OwnersMeetError("rows of two owners meet")
    return last


def _scattered(node: Node, slot: int, owner: Tensor) -> Tensor:
    """Input row r of the source adds to output row `index[r]`; what it is added to stays where it is."""
    if slot != 1:
        return _same(node, slot, owner)
    index = _row_index(node)
    child = node.next_functions[slot][0]
    if child is None or shape(child)[0] != len(index):
        raise UntraceableError("an index for some of the rows only")
    return owner[index]


def _row_index(node: Node) -> Tensor:
    """The row indices [r] behind an index [r, ...] that is the same in all columns."""
    index: Tensor = saved(node, "index")
    if signed(saved(node, "dim")) % len(shape(node)) != 0:
        raise UntraceableError("rows are moved along another dimension")
    if index.dim() > 1:
        # An index that was expanded rather than copied has one column in memory.
        columns = index.flatten(1) if index.stride(-1) else index[..., :1].flatten(1)
        if bool((columns != columns[:, :1]).any()):
            raise UntraceableError("columns of a row go to different rows")
        index = columns[:, 0]
    return index


def _only_index(node: Node) -> Tensor:
    """The row indices [r] of `rows[index]`, also for a mask."""
    index, *others = saved(node, "indices")
    if others or index is None or index.dim() != 1:
        raise UntraceableError("an index along other dimensions than the rows")
    index = index.detach()
    if index.dtype == torch.bool:
        index = index.nonzero().squeeze(1)
    if bool((index < 0).any()):
        raise UntraceableError("an index that counts from the end")
    found: Tensor = index
    return found


_Rule = Callable[[Node, int, Tensor], Tensor]
_ELEMENTWISE = (
    *("Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Mish", "Softplus", "Tanh", "Sigmoid", "Hardtanh", "Exp"),
    *("Neg", "Abs", "Add", "Sub", "Mul", "Div", "NativeDropout", "Clone", "ToCopy", "View", "UnsafeView"),
)
_RULES: Mapping[tuple[str, int | None], _Rule] = {
    **{(f"{name}Backward0", None): _same for name in _ELEMENTWISE},
    ("AddmmBackward0", 1): _same,
    ("MmBackward0", 0): _same,
    ("NativeLayerNormBackward0", 0): _normalised,
    ("NativeBatchNormBackward0", 0): _batch_normalised,
    ("CatBackward0", None): _concatenated,
    ("IndexSelectBackward0", 0): partial(_gathered, index=_row_index),
    ("IndexBackward0", 0): partial(_gathered, index=_only_index),
    ("ScatterAddBackward0", None): _scattered,
    ("ScatterReduceBackward0", None): _scattered,
    ("IndexAddBackward0", None): _scattered,
}
