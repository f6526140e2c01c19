"""Processes that train together must walk together where a backward pass waits for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.errors import MeasurementError
from gradprobe.gradients.preflight import exchanges, nodes_behind

# How long to wait for the slowest process to come to its measurement.
PATIENCE = timedelta(seconds=120)
_count = itertools.count()


def waits_for_others(nodes: Sequence[Node]) -> list[str]:
    """The functions in a graph at which other processes are waited for; none in a single process."""
    return sorted(set(exchanges(nodes))) if _size() > 1 else []


def check_walks_agree(nodes: Sequence[Node], walks: int) -> None:
    """Make sure that every process starts the same number of backward passes, before the first of them.

    Says so over the store through which processes found each other, not by a collective call: the
    caller's own keep their order.

    Raises:
        MeasurementError: another process walks more or less often, or does not measure at all.
    """
    names = waits_for_others(nodes)
    if not names:
        return
    told = _exchange(str(walks), f"the backward pass waits for other processes ({', '.join(names)})")
    if len(set(told)) > 1:
        raise MeasurementError(
            f"losses: expected as many tasks on every process, got {', '.join(told)} by rank, since the "
            f"backward pass waits for other processes ({', '.join(names)}); leave out the step on all of them"
        )


def all_ready(ready: bool, losses: Sequence[Tensor]) -> bool:
    """Whether every process can measure this step; where none waits for another, whether this one can.

    Raises:
        MeasurementError: another process has not answered.
    """
    names = waits_for_others(nodes_behind(losses))
    if not names:
        return ready
    return "no" not in _exchange("yes" if ready else "no", f"{', '.join(names)} waits for other processes")


def _exchange(own: str, why: str) -> list[str]:
    """What every process has to say, by rank."""
    store: Any = dist.distributed_c10d._get_default_store()
    number = next(_count)
    keys = [f"gradprobe/{number}/{rank}" for rank in range(_size())]
    store.set(keys[dist.get_rank()], own)
    try:
        store.wait(keys, PATIENCE)
    except RuntimeError as error:
        raise MeasurementError(
            f"losses: expected every process to measure this step, since {why}, but not all have come in "
            f"{PATIENCE.seconds} s; attach the probe on every process, with the same `every`"
        ) from error
    return [store.get(key).decode() for key in keys]


def _size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
