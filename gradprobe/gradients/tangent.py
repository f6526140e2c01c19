"""The tangent kernel of a network: inner products of the gradients of its outputs on two nodes.

One backward pass an output and node, which is stopped at the outputs of the layers: a layer's weight
gradient is then a product over the few nodes that the pass has reached. On graphs that beats batched
passes (`torch.func`) by far, which compute every weight gradient over all nodes (benchmarks/ntk.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import FloatArray
from gradprobe.gradients.loop import differentiate
from gradprobe.gradients.preflight import check_graph, nodes_behind
from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError, output_gradients
from gradprobe.gradients.rowwise.rows import wide
from gradprobe.gradients.rowwise.terms import Product
from gradprobe.gradients.rowwise.uses import Use, find_uses
from gradprobe.gradients.shared import SharedParameters
from gradprobe.gradients.walks import reusable

MEMORY = 1 << 30
# Rows of a block of the kernel: half of a symmetric product need not be computed.
_BLOCK = 256


def tangent_kernel(outputs: Tensor, shared: SharedParameters, *, memory: int = MEMORY) -> FloatArray:
    """The kernel K(u, v) = sum_k <grad f_k(u), grad f_k(v)> [m, m] of outputs f [m, k] with a live graph.

    The trace over outputs of the empirical tangent kernel (Jacot et al. 2018), summed, not averaged, over
    the shared parameters. Exact: what a loop of `torch.autograd.grad` gives. Products are formed in the
    dtype of the gradients, at least float32, and added up in float64.

    Args:
        outputs: one row a node, such as logits; the graph stays usable.
        shared: the parameters behind the kernel.
        memory: bytes for the gradients that are held at a time, m x (parameters) numbers where they fit.
            With less, parameters are taken in turns, each of which repeats the backward passes.

    Raises:
        InputError: outputs of another shape, or too little memory for one parameter of every node.
        MeasurementError: no graph, one that cannot be walked, or a gradient that is not finite.
    """
    if outputs.dim() != 2 or not len(outputs):
        raise InputError(f"outputs: expected a row a node [nodes, outputs], got shape {tuple(outputs.shape)}")
    if outputs.grad_fn is None:
        raise MeasurementError(
            "outputs: expected a graph to differentiate, got outputs that require no gradient; "
            "compute them outside torch.no_grad() and do not detach them"
        )
    gradients = OutputGradients(outputs, shared)
    sizes = [parameter.numel() for parameter in shared.parameters]
    count = len(outputs)
    total = torch.zeros(count, count, dtype=torch.float64, device=outputs.device)
    for block in _blocks(sizes, _columns(count, gradients.dtype, memory)):
        width = sum(part.stop - part.start for part in block)
        held = torch.empty(count, width, dtype=gradients.dtype, device=outputs.device)
        with reusable([outputs]):
            for output in range(outputs.shape[1]):
                for node in range(count):
                    gradients.write(held[node], outputs[node, output], block)
                _add_products(total, held)
        del held  # before the next block asks for as much
    kernel = (total.tril() + total.tril(-1).T).cpu().numpy()
    if not torch.isfinite(total.diagonal()).all():
        raise MeasurementError(
            "outputs: expected finite gradients, got NaN or infinity; the model has diverged, or such "
            "values are among its inputs"
        )
    return kernel


@dataclass(frozen=True)
class _Part:
    """Some entries of the flattened parameter at a position."""

    position: int
    start: int
    stop: int


class OutputGradients:
    """Gradients of single outputs on some parameters, from backward passes that stop at the layers.

    Every use of a parameter is found where its gradient is accumulated, so that none can be missed; a
    parameter with a use that is not understood is differentiated the plain way.
    """

    def __init__(self, outputs: Tensor, shared: SharedParameters) -> None:
        check_graph(nodes_behind([outputs]), collecting=False)
        self._shared = shared
        uses = find_uses(AutogradGraph.of([outputs]), shared)
        self._unread = frozenset(uses.unread)
        self._uses: dict[int, list[Use]] = {}
        for use in uses.known:
            self._uses.setdefault(use.position, []).append(use)
        self.dtype = wide(outputs.new_empty(0)).dtype
        for parameter in shared.parameters:
            self.dtype = torch.promote_types(self.dtype, parameter.dtype)
        if self.dtype.is_complex:
            raise MeasurementError("model: expected real parameters, got complex ones, for a tangent kernel")

    def write(self, target: Tensor, output: Tensor, parts: Sequence[_Part]) -> None:
        """Write the gradient of a scalar output on some parts of the parameters, end to end."""
        positions = {part.position for part in parts}
        found = self._understood(output, sorted(positions - self._unread))
        found |= self._plain(output, sorted(positions & self._unread))
        place = 0
        for part in parts:
            size = part.stop - part.start
            gradient = found.get(part.position)
            own = target[place : place + size]
            if gradient is None:
                own.zero_()
            else:
                own.copy_(gradient.reshape(-1)[part.start : part.stop])
            place += size

    def _understood(self, output: Tensor, positions: Sequence[int]) -> dict[int, Tensor]:
        uses = [use for position in positions for use in self._uses.get(position, ())]
        nodes = list(dict.fromkeys(use.node for use in uses))
        if not nodes:
            return {}
        try:
            gradients = dict(zip(nodes, output_gradients([output], nodes, [1.0]), strict=True))
        except UnreadableNodeError:
            return self._plain(output, positions)
        found: dict[int, Tensor] = {}
        for use in uses:
            gradient = gradients[use.node]
            if gradient is not None:
                own = _weight_gradient(use, gradient)
                found[use.position] = found[use.position] + own if use.position in found else own
        return found

    def _plain(self, output: Tensor, positions: Sequence[int]) -> dict[int, Tensor]:
        if not positions:
            return {}
        gradients = differentiate(output, [self._shared.parameters[position] for position in positions])
        return {
            position: gradient.to_dense() if gradient.layout != torch.strided else gradient
            for position, gradient in zip(positions, gradients, strict=True)
            if gradient is not None
        }


def _weight_gradient(use: Use, gradient: Tensor) -> Tensor:
    """A parameter's gradient from one use's output gradient; rows that the pass never reached are free."""
    rows = gradient.flatten(0, use.lead - 1)
    term = use.term
    if isinstance(term, Product):
        reached = (rows != 0).any(dim=1).nonzero().squeeze(1)
        return Product(term.inputs[reached], term.output_first).total(rows[reached])
    total = term.total(rows)
    return total.to_dense() if total.layout != torch.strided else total


def _columns(nodes: int, dtype: torch.dtype, memory: int) -> int:
    columns = memory // (nodes * dtype.itemsize)
    if columns < 1:
        raise InputError(
            f"memory: expected at least {nodes * dtype.itemsize} bytes for {nodes} nodes, got {memory}; "
            "allow more or choose fewer nodes"
        )
    return columns


def _blocks(sizes: Sequence[int], columns: int) -> Iterator[list[_Part]]:
    """Parts of parameters of these sizes, gathered to blocks of at most so many columns."""
    block: list[_Part] = []
    room = columns
    for position, size in enumerate(sizes):
        start = 0
        while start < size:
            stop = min(size, start + room)
            block.append(_Part(position, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield block
                block, room = [], columns
    if block:
        yield block


def _add_products(total: Tensor, rows: Tensor) -> None:
    """Add the inner products of rows [m, p] to the lower triangle of `total` [m, m]."""
    for start in range(0, len(rows), _BLOCK):
        stop = start + _BLOCK
        total[start:stop, :stop] += rows[start:stop] @ rows[:stop].T
