"""Backward passes through a DistributedDataParallel model that are none of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.autograd.graph import Node

_SINK = "_DDPSinkBackward"


@contextmanager
def without_ddp_reduction(nodes: Iterable[Node]) -> Iterator[None]:
    """A block in which passes through a graph do not count as the first of a model with `static_graph=True`.

    Such a model queues its reduction of gradients with its first backward pass, and takes the parameters
    that this pass accumulates into for those of all later ones: none, in a pass for other ends.
    """
    models = {id(model): model for model in _models(nodes)}.values()
    saved = [(model, model._static_graph_delay_allreduce_enqueued) for model in models]
    for model, _ in saved:
        model._static_graph_delay_allreduce_enqueued = True
    try:
        yield
    finally:
        for model, queued in saved:
            model._static_graph_delay_allreduce_enqueued = queued


def _models(nodes: Iterable[Node]) -> Iterator[Any]:
    """The models whose outputs a graph comes from."""
    for node in nodes:
        if node.name() == _SINK:
            model = node.ddp_weakref()  # type: ignore[attr-defined]
            if model is not None and hasattr(model, "_static_graph_delay_allreduce_enqueued"):
                yield model
