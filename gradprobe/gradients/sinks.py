"""Backward passes through a DistributedDataParallel model that are none of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from gradprobe.gradients.preflight import nodes_behind

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
    """The models whose outputs these losses come from."""
    for node in nodes_behind(losses):
        if node.name() == _SINK:
            model = node.ddp_weakref()  # type: ignore[attr-defined]
            if model is not None and hasattr(model, "_static_graph_delay_allreduce_enqueued"):
                yield model
