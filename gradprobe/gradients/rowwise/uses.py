"""Every use of a shared parameter in the graph, recognised for what it is or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError, kind, saved, shape, signed
from gradprobe.gradients.rowwise.terms import Convolution, Lookup, Product, RowSum, Term
from gradprobe.gradients.shared import SharedParameters


@dataclass(frozen=True, eq=False)
class Use:
    """One use of the shared parameter at `position`, by a node whose first `lead` dimensions are rows."""

    node: Node
    lead: int
    position: int
    term: Term


@dataclass(frozen=True, eq=False)
class Uses:
    """All uses of the shared parameters that some losses reach.

    `unread` are the positions of parameters with a use that is not understood: a weight penalty, a
    parametrisation, a recomputed checkpoint, a layer of another kind. None of their uses is listed.
    """

    known: tuple[Use, ...]
    unread: tuple[int, ...]


def find_uses(graph: AutogradGraph, shared: SharedParameters) -> Uses:
    """The uses of each shared parameter, found by going up from where its gradient is accumulated.

    Since every edge into that node is looked at, no use can be missed, whatever module or function it
    came from.
    """
    known: list[Use] = []
    unread: list[int] = []
    for position, parameter in enumerate(shared.parameters):
        node = graph.leaves.get(id(parameter))
        if node is None:
            continue
        try:
            if parameter.is_complex():
                raise UnreadableNodeError("its products are those of real numbers")
            if parameter._backward_hooks:
                raise UnreadableNodeError("a hook changes the parameter's gradient")
            known += [_use(site, parameter, position) for site in _sites(node, graph)]
        except UnreadableNodeError:
            unread.append(position)
    return Uses(tuple(use for use in known if use.position not in unread), tuple(unread))


@dataclass(frozen=True, eq=False)
class _Site:
    """A slot of a node that a parameter enters, transposed or not."""

    node: Node
    slot: int
    transposed: bool = False


def _sites(node: Node, graph: AutogradGraph, transposed: bool = False) -> Iterator[_Site]:
    for user, slot in graph.users.get(node, ()):
        if kind(user) == "TBackward0":
            yield from _sites(user, graph, not transposed)
        elif _keeps_values(user, slot, shape(node)):
            yield from _sites(user, graph, transposed)
        else:
            yield _Site(user, slot, transposed)


def _keeps_values(user: Node, slot: int, size: torch.Size) -> bool:
    """Whether gradient passes a node unchanged: a cast, or something of equal shape added."""
    if shape(user) != size:
        return False
    added = kind(user) == "AddBackward0" and (slot == 0 or saved(user, "alpha") == 1)
    return added or kind(user) == "ToCopyBackward0"


def _use(site: _Site, parameter: Tensor, position: int) -> Use:
    recognise = _KINDS.get((kind(site.node), site.slot))
    if recognise is None:
        raise UnreadableNodeError(f"{site.node.name()} is no known kind of layer")
    lead, term = recognise(site, parameter)
    if lead < 1:
        raise UnreadableNodeError("the output has no rows")
    if site.transposed and not isinstance(term, Product):
        raise UnreadableNodeError("transposed where only a matrix product may be")
    return Use(site.node, lead, position, term)


def _weight(site: _Site, parameter: Tensor, *, inputs: str) -> tuple[int, Term]:
    _expect_plain_sum(site.node)
    term = Product(saved(site.node, inputs), output_first=site.transposed)
    width = (shape(site.node)[1], term.inputs.shape[1])
    if tuple(parameter.shape) != (width if site.transposed else width[::-1]):
        raise UnreadableNodeError("the weight was reshaped on its way")
    return 1, term


def _expect_plain_sum(node: Node) -> None:
    if kind(node) == "AddmmBackward0" and not saved(node, "alpha") == saved(node, "beta") == 1:
        raise UnreadableNodeError("a scaled product")


def _added(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    if kind(site.node) == "AddmmBackward0":
        _expect_plain_sum(site.node)
    elif site.slot == 1 and saved(site.node, "alpha") != 1:
        raise UnreadableNodeError("a scaled sum")
    return _trailing(site, parameter)


def _multiplied(site: _Site, parameter: Tensor, *, other: str) -> tuple[int, Term]:
    factor = saved(site.node, other)
    if not isinstance(factor, Tensor):
        raise UnreadableNodeError("the factor was not saved")
    return _trailing(site, parameter, factor)


def _trailing(site: _Site, parameter: Tensor, factor: Tensor | None = None) -> tuple[int, Term]:
    """A parameter that was broadcast along leading dimensions; all of those are rows."""
    size = shape(site.node)
    padded = (1,) * (len(size) - parameter.dim()) + tuple(parameter.shape)
    rows = next((i for i, extent in enumerate(padded) if extent != 1), len(padded))
    # A scale or shift by one number leaves at least the last dimension to the row.
    lead = min(rows, max(len(size) - 1, 1))
    term = RowSum(
        output_shape=size,
        lead=lead,
        pattern=padded[lead:],
        shape=parameter.shape,
        factor=None if factor is None else lambda: factor,
    )
    return lead, term


def _channels(site: _Site, parameter: Tensor, factor: Tensor | None = None) -> tuple[int, Term]:
    """A parameter for each channel of an output [n, c, ...]; samples are rows."""
    size = shape(site.node)
    pattern = (size[1],) + (1,) * (len(size) - 2)
    scale = None if factor is None else lambda: factor
    return 1, RowSum(output_shape=size, lead=1, pattern=pattern, shape=parameter.shape, factor=scale)


def _layer_norm(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    node, size = site.node, shape(site.node)
    lead = len(size) - parameter.dim()
    factor = None
    if site.slot == 1:
        x, mean, inverse = saved(node, "input"), saved(node, "result1"), saved(node, "result2")
        factor = lambda: (x - mean) * inverse  # noqa: E731
    pattern = tuple(parameter.shape)
    return lead, RowSum(output_shape=size, lead=lead, pattern=pattern, shape=parameter.shape, factor=factor)


def _batch_norm(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    if saved(site.node, "training"):
        raise UnreadableNodeError("batch statistics mix rows")
    if site.slot == 2:
        return _channels(site, parameter)
    x, mean, variance = (saved(site.node, name) for name in ("input", "running_mean", "running_var"))
    if mean is None or variance is None:
        raise UnreadableNodeError("no running statistics")
    size = (-1,) + (1,) * (x.dim() - 2)
    inverse = (variance + saved(site.node, "eps")).rsqrt()
    return _channels(site, parameter, (x - mean.reshape(size)) * inverse.reshape(size))


def _group_norm(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    if site.slot == 2:
        return _channels(site, parameter)
    x, mean, inverse = (saved(site.node, name) for name in ("input", "result1", "result2"))
    grouped = x.reshape(*mean.shape, -1)
    factor = (grouped - mean[..., None]) * inverse[..., None]
    return _channels(site, parameter, factor.reshape(x.shape))


def _embedding(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    if saved(site.node, "scale_grad_by_freq"):
        raise UnreadableNodeError("gradients are scaled by frequencies in the batch")
    term = Lookup(
        index=saved(site.node, "indices").reshape(-1),
        size=parameter.shape[0],
        padding=signed(saved(site.node, "padding_idx")),
        sparse=saved(site.node, "sparse"),
    )
    return len(shape(site.node)) - 1, term


def _convolution(site: _Site, parameter: Tensor) -> tuple[int, Term]:
    names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    options = [saved(site.node, name) for name in names]
    like = parameter.detach()

    def forward(inputs: Tensor, weight: Tensor) -> Tensor:
        result: Tensor = torch.ops.aten.convolution(inputs, weight, None, *options)
        return result

    def backward(inputs: Tensor, output: Tensor) -> Tensor:
        weight = like.to(output.dtype)
        mask = (False, True, False)
        gradients = torch.ops.aten.convolution_backward(output, inputs, weight, None, *options, mask)
        gradient: Tensor = gradients[1]
        return gradient

    return 1, Convolution(saved(site.node, "input"), forward, backward)


# The slots of nodes that a parameter can enter, and how the use is read.
_KINDS: Mapping[tuple[str, int], Callable[[_Site, Tensor], tuple[int, Term]]] = {
    ("AddmmBackward0", 0): _added,
    ("AddmmBackward0", 2): partial(_weight, inputs="mat1"),
    ("MmBackward0", 1): partial(_weight, inputs="self"),
    ("AddBackward0", 0): _added,
    ("AddBackward0", 1): _added,
    ("MulBackward0", 0): partial(_multiplied, other="other"),
    ("MulBackward0", 1): partial(_multiplied, other="self"),
    ("NativeLayerNormBackward0", 1): _layer_norm,
    ("NativeLayerNormBackward0", 2): _layer_norm,
    ("NativeBatchNormBackward0", 1): _batch_norm,
    ("NativeBatchNormBackward0", 2): _batch_norm,
    ("NativeGroupNormBackward0", 1): _group_norm,
    ("NativeGroupNormBackward0", 2): _group_norm,
    ("EmbeddingBackward0", 0): _embedding,
    ("ConvolutionBackward0", 1): _convolution,
    ("ConvolutionBackward0", 2): _channels,
}
