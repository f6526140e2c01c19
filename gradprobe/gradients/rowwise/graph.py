"""The autograd graph of some losses, read as it stands: nodes, who feeds whom, what they saved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import GradientEdge, Node

from gradprobe.gradients.preflight import nodes_behind
from gradprobe.gradients.walks import walk

# A node and the position of one of its inputs, through which gradient flows on.
Slot = tuple[Node, int]


class UnreadableNodeError(Exception):
    """A node whose saved values cannot be had without side effects, or are gone."""


@dataclass(frozen=True, eq=False)
class AutogradGraph:
    """All nodes that some losses reach, every node before the nodes it passes gradient to."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, losses: Iterable[Tensor]) -> AutogradGraph:
        """The graph behind losses that require a gradient."""
        return cls(tuple(nodes_behind(losses)))

    @cached_property
    def users(self) -> dict[Node, list[Slot]]:
        """Node -> the slots whose gradient flows into it, one for each use of its output."""
        users: dict[Node, list[Slot]] = {}
        for node in self.nodes:
            for slot, (child, _) in enumerate(node.next_functions):
                if child is not None:
                    users.setdefault(child, []).append((node, slot))
        return users

    @cached_property
    def leaves(self) -> dict[int, Node]:
        """The accumulating node of each leaf tensor, by the leaf's id."""
        return {id(variable): node for node in self.nodes if (variable := leaf(node)) is not None}

    def reached_by(self, losses: Sequence[Tensor]) -> dict[Node, int]:
        """For every node the losses that reach it, loss i as bit i of a number."""
        reach = dict.fromkeys(self.nodes, 0)
        for i, loss in enumerate(losses):
            if loss.grad_fn is not None:
                reach[loss.grad_fn] |= 1 << i
        for node in self.nodes:
            for child, _ in node.next_functions:
                if child is not None:
                    reach[child] |= reach[node]
        return reach

    def first_among(self, some: Collection[Node], losses: Iterable[Tensor]) -> list[Node]:
        """Those of some nodes that a loss reaches without passing another of them."""
        reached = {loss.grad_fn for loss in losses}
        first = []
        for node in self.nodes:
            if node in reached and node in some:
                first.append(node)
            elif node in reached:
                reached.update(child for child, _ in node.next_functions)
        return first

    def structure_below(self, tops: Iterable[Node]) -> int:
        """A number that is equal for graphs of the same operations, connected alike, below some nodes."""
        number: dict[Node | None, int] = {}
        entries: list[tuple[object, ...]] = []
        below = set(tops)
        for node in self.nodes:
            if node in below:
                number[node] = len(number)
                below.update(child for child, _ in node.next_functions if child is not None)
                users = (number.get(user, -1) for user, _ in self.users.get(node, ()))
                mode = getattr(node, "_saved_training", None)
                entries.append((node.name(), mode, *users))
        return hash(tuple(entries))


def structure_above(loss: Tensor, ends: Collection[Node]) -> int:
    """A number that is equal for losses made of some nodes by the same operations, connected alike."""
    number: dict[Node, int] = {}
    entries: list[tuple[object, ...]] = []
    pending = [] if loss.grad_fn is None else [loss.grad_fn]
    while pending:
        node = pending.pop()
        if node in number:
            continue
        number[node] = len(number)
        below = () if node in ends else tuple((child, slot) for child, slot in node.next_functions if child)
        entries.append((node.name(), node in ends, *((number.get(child, -1), slot) for child, slot in below)))
        pending += [child for child, _ in below]
    return hash(tuple(entries))


def kind(node: Node) -> str:
    """The name of a built-in node, such as `AddmmBackward0`; empty for custom functions."""
    return "" if issubclass(type(node), BackwardCFunction) else node.name()


def leaf(node: Node) -> Tensor | None:
    """The leaf that a node accumulates into, None for every other node."""
    variable = getattr(node, "variable", None) if kind(node).endswith("AccumulateGrad") else None
    return variable if isinstance(variable, Tensor) else None


def shape(node: Node) -> torch.Size:
    """The shape of a node's first output in the forward pass."""
    return torch.Size(node._input_metadata[0].shape)


def saved(node: Node, name: str) -> Any:
    """A value that a node saved for its backward pass, tensors detached.

    Raises:
        UnreadableNodeError: the value was freed, overwritten, or goes through hooks (a checkpoint
            would be recomputed, an offloaded tensor fetched back).
    """
    raw = getattr(node, f"_raw_saved_{name}", None)
    for entry in raw if isinstance(raw, tuple) else (raw,):
        if getattr(entry, "unpack_hook", None) is not None:
            raise UnreadableNodeError("a saved tensor is recomputed or fetched when read")
    try:
        value = getattr(node, f"_saved_{name}")
    except (AttributeError, RuntimeError) as error:
        raise UnreadableNodeError(str(error)) from error
    return value.detach() if isinstance(value, Tensor) else value


def signed(value: int) -> int:
    """A saved integer, which PyTorch shows as an unsigned number where it is negative."""
    return value - (1 << 64) if value >= 1 << 63 else value


def output_gradients(
    losses: Sequence[Tensor], nodes: Sequence[Node], scales: Sequence[float]
) -> list[Tensor | None]:
    """The gradients of `sum_i scales[i] * losses[i]` on the first outputs of some nodes.

    One backward pass, which computes no gradient of a parameter and stops at the last of the nodes.
    None where no loss reaches a node. The graph stays usable.

    Raises:
        UnreadableNodeError: the graph cannot be walked so.
    """
    chosen = [(loss, scale) for loss, scale in zip(losses, scales, strict=True) if scale]
    try:
        found = walk(
            [loss for loss, _ in chosen],
            [GradientEdge(node, 0) for node in nodes],
            [torch.full_like(loss, scale) for loss, scale in chosen],
        )
    except RuntimeError as error:
        raise UnreadableNodeError(str(error)) from error
    return [None if gradient is None else gradient.detach() for gradient in found]
