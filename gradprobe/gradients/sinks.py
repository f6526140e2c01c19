"""Backward passes through a DistributedDataParallel model that are none of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node

_SINK = "_DDPSinkBackward"


@contextmanager
def without_ddp_reduction(losses: Iterable[Tensor]) -> Iterator[None]:
    """A block in which backward passes do not count as the first one of a model with `static_graph=True`.

    Such a model queues its reduction of gradients with its first backward pass, and takes the parameters
    that this pass accumulates into for those of all later ones: none, in a pass for other ends.
    """
    models = {id(model): model for model in _models(losses)}.values()
    saved = [(model, model._static_graph_delay_allreduce_enqueued) for model in models]
    for model, _ in saved:
        model._static_graph_delay_allreduce_enqueued = True
    try:
        yield
    finally:
        for model, queued in saved:
            model._static_graph_delay_allreduce_enqueued = queued


def _models(losses: Iterable[Tensor]) -> Iterator[Any]:
    """The models whose outputs these losses come from, nearest the losses: their sink is their last node."""
    pending: list[Node | None] = [loss.grad_fn for loss in losses]
    seen: set[Node] = set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == _SINK:
            model = node.ddp_weakref()  # type: ignore[attr-defined]
            if model is not None and hasattr(model, "_static_graph_delay_allreduce_enqueued"):
                yield model
        pending += [child for child, _ in node.next_functions]
