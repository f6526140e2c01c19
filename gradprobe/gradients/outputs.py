"""Along which axis a weight has its outputs, read off what the graph does with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError, kind, saved
from gradprobe.gradients.shared import SharedParameters


@dataclass(frozen=True)
class OutputAxis:
    """Where the outputs are: an axis of the weight; with `groups`, within each block of its first axis."""

    axis: int = 0
    groups: int = 1

    def first(self, gradient: Tensor) -> Tensor:
        """A gradient as a matrix [outputs, all else]."""
        if gradient.dim() < 2:
            return gradient.reshape(-1, 1)
        if self.groups > 1 and self.axis == 1:
            blocks = gradient.reshape(self.groups, -1, *gradient.shape[1:])
            gradient = blocks.transpose(1, 2).flatten(0, 1)
        else:
            gradient = gradient.movedim(self.axis, 0)
        return gradient.flatten(1)


def output_axes(losses: Sequence[Tensor], shared: SharedParameters) -> Mapping[int, OutputAxis]:
    """The output axis of each parameter, by position, where it is not the first.

    `Linear` and convolutions have outputs first. A product `x @ W` (GPT-2's `Conv1D`) has them last, a
    transposed convolution second. A weight that is used in both ways, or in none that is known, counts as
    one with outputs first.
    """
    graph = AutogradGraph.of(losses)
    axes = {}
    for position, parameter in enumerate(shared.parameters):
        leaf = graph.leaves.get(id(parameter))
        if leaf is not None and parameter.dim() > 1:
            found = {_axis(*site) for site in _sites(leaf, graph)}
            axis = found.pop() if len(found) == 1 else OutputAxis()
            if axis != OutputAxis():
                axes[position] = axis
    return axes


def _sites(node: Node, graph: AutogradGraph, transposed: bool = False) -> Iterator[tuple[Node, int, bool]]:
    """The slots that a weight enters, transposed or not, by way of casts and transpositions."""
    for user, slot in graph.users.get(node, ()):
        if kind(user) == "TBackward0":
            yield from _sites(user, graph, not transposed)
        elif kind(user) == "ToCopyBackward0":
            yield from _sites(user, graph, transposed)
        else:
            yield user, slot, transposed


def _axis(node: Node, slot: int, transposed: bool) -> OutputAxis:
    if (kind(node), slot) in (("AddmmBackward0", 2), ("MmBackward0", 1)):
        return OutputAxis(0 if transposed else 1)
    if (kind(node), slot) in (("AddmmBackward0", 1), ("MmBackward0", 0)):
        return OutputAxis(1 if transposed else 0)
    if (kind(node), slot) == ("ConvolutionBackward0", 1):
        try:
            if saved(node, "transposed"):
                return OutputAxis(1, int(saved(node, "groups")))
        except UnreadableNodeError:
            pass
    return OutputAxis()
