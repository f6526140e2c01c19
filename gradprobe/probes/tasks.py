"""Per-row losses sorted by task, for loops whose batches mix tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gradprobe.errors import InputError

# What the ids mean: names[id], or a mapping from id to name.
TaskNames = Sequence[str] | Mapping[int, str]


def by_task(
    row_losses: Tensor, task_ids: Tensor, names: TaskNames, *, mask: Tensor | None = None
) -> dict[str, Tensor]:
    """Task -> its part of the losses [k], from per-row losses [b] or per-token losses [b, t].

    The result goes straight into `GradientProbe.measure`. A task without a row in this batch has an empty
    vector, which the probe takes for a missing task. The graph of the losses stays as it is.

    >>> losses = torch.tensor([0.1, 0.2, 0.3])
    >>> by_task(losses, torch.tensor([0, 1, 0]), ["web", "code"])
    {'web': tensor([0.1000, 0.3000]), 'code': tensor([0.2000])}

    Args:
        row_losses: unreduced losses, one number a row [b] or a token [b, t].
        task_ids: the task of each row [b], whole numbers.
        names: the name of each id: a sequence, or a mapping from id to name.
        mask: which entries of `row_losses` count (padding and prompts do not); all of them by default.

    Raises:
        InputError: shapes that do not fit, ids that are no whole numbers, or an id without a name.
    """
    named = _named(names)
    ids = _checked_ids(row_losses, task_ids, named)
    keep = torch.ones_like(row_losses, dtype=torch.bool) if mask is None else mask.bool()
    if keep.shape != row_losses.shape:
        raise InputError(
            f"mask: expected the shape of row_losses, {tuple(row_losses.shape)}, got {tuple(keep.shape)}"
        )
    own = ids.reshape(-1, *[1] * (row_losses.dim() - 1))
    return {name: row_losses[keep & (own == number)] for number, name in named.items()}


def _named(names: TaskNames) -> dict[int, str]:
    named = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    if len(set(named.values())) != len(named):
        raise InputError(f"names: expected a name of its own for each id, got {list(named.values())}")
    return named


def _checked_ids(row_losses: Tensor, task_ids: Tensor, named: Mapping[int, str]) -> Tensor:
    if row_losses.dim() not in (1, 2):
        raise InputError(
            f"row_losses: expected losses [rows] or [rows, tokens], got shape {tuple(row_losses.shape)}; "
            "call the criterion with reduction='none'"
        )
    ids = torch.as_tensor(task_ids, device=row_losses.device)
    if ids.shape != row_losses.shape[:1]:
        raise InputError(
            f"task_ids: expected one id for each of {row_losses.shape[0]} rows, got shape {tuple(ids.shape)}"
        )
    if ids.is_floating_point() or ids.is_complex():
        raise InputError(f"task_ids: expected whole numbers, got {ids.dtype}")
    if unknown := sorted(set(ids.tolist()) - named.keys()):
        raise InputError(f"task_ids: expected some of {sorted(named)}, got {unknown}; name each id in names=")
    return ids
