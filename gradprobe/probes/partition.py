"""Dense label matrices at the price of one pass: each row speaks for one of its tasks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, from_numpy

from gradprobe.errors import InputError
from gradprobe.geometry import Group
from gradprobe.probes.losses import GroupLoss

NOTE = "partition: each row speaks for one task, drawn at random"


def partition_rows(losses: Mapping[str, Tensor], generator: np.random.Generator) -> list[GroupLoss]:
    """One group a task, from its own share of the rows of losses [b] that all m tasks have.

    Rows are dealt out at random and evenly, so no two tasks share one and an engine needs no turns. A
    task's gradient is that of b / m random rows: unbiased, with m times the variance. The inner product
    of two tasks is unbiased for the mean over pairs of distinct rows, so what tasks owe to the noise
    of a shared row is gone; squared norms keep the noise of their fewer rows, as those of any
    minibatch of that size, and cosines are diluted by it.

    Raises:
        InputError: losses that are not one number for each of the same rows, or fewer rows than tasks.
    """
    sizes = {task: loss.numel() if loss.dim() else 0 for task, loss in losses.items()}
    rows = next(iter(sizes.values()))
    if set(sizes.values()) != {rows} or rows < len(losses):
        raise InputError(
            f"rows: expected, for a partition, per-row losses of at least {len(losses)} rows, the same for "
            f"every task, got {sizes}; name the molecules with rows= where labels are missing"
        )
    order = generator.permutation(rows)
    parts = []
    for place, (task, loss) in enumerate(losses.items()):
        own = from_numpy(np.sort(order[place :: len(losses)])).to(loss.device)
        parts.append(GroupLoss(Group(task), loss[own].mean(), len(own)))
    return parts
