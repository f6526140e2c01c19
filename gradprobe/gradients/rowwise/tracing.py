"""Whose row is it, read off the graph: owners of rows followed down through row-wise operations.

From rows whose owners are known, gradient flows on through operations that keep rows apart (a linear
layer, an activation) or that move rows by an index the graph has saved (gathering the atoms of an edge,
summing the edges of an atom). Where only such operations lie between, no second backward pass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
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


def follow_from_losses(
    graph: AutogradGraph, reach: Mapping[Node, int], ends: Collection[Node]
) -> Mapping[Node, Tensor]:
    """The owners [rows] of some nodes, by place among all losses, where the graph tells them.

    `reach` tells which losses reach a node, loss i as bit i. What one loss alone reaches is its own; from
    there owners are followed down to the ends, as in slices of a batch, one a task. Rows that nothing
    reaches are `NOBODY`'s.

    Raises:
        OwnersMeetError, UntraceableError: the graph does not tell.
    """
    contested = {node for node, losses in reach.items() if losses.bit_count() > 1}
    _expect_side_by_side(graph, ends)
    owners: dict[Node, Tensor] = {}
    for node in graph.nodes:
        if node in contested and (node in ends or node not in owners):
            continue
        if node in contested:
            owner = owners[node]
        elif any(child in contested and not _is_parameter(child) for child in _children(node)):
            owner = _all_of(reach[node].bit_length() - 1, node)
        else:
            continue
        for child, passed in _passed_on(node, owner, contested):
            owners[child] = passed if child not in owners else _agreed(owners[child], passed)
    if missed := [node.name() for node in ends if node not in owners]:
        raise UntraceableError(f"{missed[0]} is out of reach")
    return {node: owners[node] for node in ends}


def _expect_side_by_side(graph: AutogradGraph, ends: Collection[Node]) -> None:
    """Refuse ends of which one lies below another, whose rows would be that other's as well."""
    below: set[Node | None] = set()
    for node in graph.nodes:
        if node in ends and node in below:
            raise UntraceableError(f"{node.name()} is reached in two ways")
        if node in ends or node in below:
            below.update(child for child, _ in node.next_functions)


def _children(node: Node) -> list[Node]:
    return [child for child, _ in node.next_functions if child is not None]


def _all_of(place: int, node: Node) -> Tensor:
    if not shape(node):
        raise UntraceableError(f"{node.name()} has no rows")
    return torch.full((shape(node)[0],), place, dtype=torch.long, device=node._input_metadata[0].device)


def _passed_on(
    node: Node, owner: Tensor, wanted: Collection[Node] | None = None
) -> Iterator[tuple[Node, Tensor]]:
    for slot, (child, output) in enumerate(node.next_functions):
        if child is None or (wanted is not None and child not in wanted) or _is_parameter(child):
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


def _squeezed(node: Node, slot: int, owner: Tensor) -> Tensor:
    """Dimensions of size one come and go; rows stay the first one where there are several."""
    child = node.next_functions[slot][0]
    if child is None or not shape(child) or not shape(child)[0] == shape(node)[0] == len(owner) > 1:
        raise UntraceableError(f"{node.name()} may move rows along another dimension")
    return owner


def _selected(node: Node, slot: int, owner: Tensor) -> Tensor:
    """A column of the rows, as one task's predictions are."""
    child = node.next_functions[slot][0]
    if child is None or signed(saved(node, "dim")) % len(shape(child)) == 0 or shape(child)[0] != len(owner):
        raise UntraceableError("a single row was selected")
    return owner


def _sliced(node: Node, slot: int, owner: Tensor) -> Tensor:
    """A stretch of the rows, as one task's are; or a part of every row."""
    child = node.next_functions[slot][0]
    if child is None:
        raise UntraceableError("a slice of a constant")
    if signed(saved(node, "dim")) % len(shape(child)) != 0:
        return _same(node, slot, owner)
    start, end, step = (saved(node, name) for name in ("start", "end", "step"))
    whole = owner.new_full((shape(child)[0],), NOBODY)
    part = whole[signed(start) : signed(end) : step]
    if len(part) != len(owner):
        raise UntraceableError("a slice of another number of rows")
    part.copy_(owner)
    return whole


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
    ("SliceBackward0", 0): _sliced,
    ("SelectBackward0", 0): _selected,
    **{(f"{name}", 0): _squeezed for name in ("SqueezeBackward0", "SqueezeBackward1", "UnsqueezeBackward0")},
    ("IndexSelectBackward0", 0): partial(_gathered, index=_row_index),
    ("IndexBackward0", 0): partial(_gathered, index=_only_index),
    ("ScatterAddBackward0", None): _scattered,
    ("ScatterReduceBackward0", None): _scattered,
    ("IndexAddBackward0", None): _scattered,
}
