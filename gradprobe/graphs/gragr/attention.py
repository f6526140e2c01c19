"""Gradient attention (5)-(6): neighbours whose gradients agree are heard louder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gradprobe.graphs.gragr.edges import Edges, unit_rows

Similarity = Literal["raw", "cosine"]


def gradient_attention(
    gradients: Tensor,
    edges: Edges,
    *,
    temperature: float = 1.0,
    similarity: Similarity = "cosine",
    agreeing: Tensor | None = None,
) -> Tensor:
    """Weights [E] of the messages from gradients [n, d], or [T, n, d] of T tasks (eq. 5).

    alpha_uv is the softmax over the neighbours v of u of `temperature` times the summed products of the
    tasks' gradients at u and v: each node's weights sum to 1. `"raw"` takes the products as they are, in
    the paper's way; since the gradients of a mean loss are tiny, the weights are then uniform to many
    digits, so that `"cosine"` is the default. `agreeing` [E] leaves out the messages where it is False.
    """
    tasks = gradients if gradients.dim() == 3 else gradients[None]
    rows = [unit_rows(task) if similarity == "cosine" else task for task in tasks]
    scores = temperature * torch.stack([edges.products(task) for task in rows]).sum(0)
    if agreeing is not None:
        scores = scores.masked_fill(~agreeing, -torch.inf)
    return edges.softmax(scores)


def message_weights(attention: Tensor, edges: Edges) -> Tensor:
    """Factors [E] for a layer's own messages: attention [E] times the number of neighbours of its target.

    PyG's layers weight messages in ways of their own (by degrees, by learned attention). These factors
    average 1 over each node's messages, so that uniform attention leaves every layer exactly as it is.
    """
    return attention * edges.degree[edges.targets].to(attention.dtype)


@contextmanager
def attending(weights: Mapping[nn.Module, Tensor]) -> Iterator[None]:
    """A block in which the messages of some PyG layers are multiplied by factors [E] each.

    A layer's own self-messages, which PyG puts after the edges, keep their weight; an isolated node has
    nothing else and is left as it is.
    """
    handles = [_hook(layer, factors) for layer, factors in weights.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(layer: Any, factors: Tensor) -> Any:
    def weigh(module: nn.Module, inputs: Any, messages: Tensor) -> Tensor:  # noqa: ARG001 - PyG's signature
        rest = messages.new_ones(messages.shape[0] - factors.shape[0])
        full = torch.cat([factors.to(messages), rest])
        return messages * full.reshape(-1, *[1] * (messages.dim() - 1))

    return layer.register_message_forward_hook(weigh)
