"""Gradients through float16, whose small numbers vanish unless the loss is scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

Gradients = Sequence[Tensor | None]
# Exponents of the scales that are tried, from the top: float16 ends at 2^16 and has 2^-24 for its least.
EXPONENTS = range(24, -25, -4)
# What loss scalers start from, where passes must not be repeated.
FIXED_EXPONENT = range(16, 15, -1)


def uses_float16(nodes: Iterable[Node]) -> bool:
    """Whether gradients pass some nodes of a graph in float16."""
    return any(part.dtype == torch.float16 for node in nodes for part in getattr(node, "_input_metadata", ()))


def by_scaled_loss(
    loss: Tensor, differentiate: Callable[[Tensor], Gradients], exponents: range = EXPONENTS
) -> tuple[tuple[Tensor | None, ...], int]:
    """The gradients of a loss by way of float16, and the exponent of the scale they took.

    The loss is multiplied by the largest power of two with which nothing overflows, so that as little as
    possible vanishes, and the gradients are divided by it in float32 or wider, which is exact. Where
    nothing helps, they are not finite.
    """
    wide = loss.to(torch.promote_types(loss.dtype, torch.float32))
    for exponent in exponents:
        scaled = differentiate(wide * 2.0**exponent)
        if all(gradient is None or bool(_values(gradient).isfinite().all()) for gradient in scaled):
            break
    return tuple(None if own is None else _widened(own) * 2.0**-exponent for own in scaled), exponent


def _values(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _widened(gradient: Tensor) -> Tensor:
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))
