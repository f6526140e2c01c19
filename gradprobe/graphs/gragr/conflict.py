"""How much the gradients of neighbours disagree: what GraGR penalises and what opens its pathway."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.graphs.gragr.edges import Edges, unit_rows

ConflictLoss = Literal["raw", "edge", "cosine"]


def conflict_loss(gradient: Tensor, edges: Edges, kind: ConflictLoss = "edge") -> Tensor:
    """Sum over undirected edges of max(0, -g_u . g_v) for gradients [n, d], a scalar (eq. 2).

    `"raw"` is the paper's, which grows with the graph and with the square of the gradients; `"edge"`
    is its mean per edge; `"cosine"` is the mean of max(0, -cos) over the edges both of whose ends have
    a gradient, from 0 to 1. 0 where there is no such edge. Differentiable: to train on it, compute the
    gradients with `create_graph`.

    Raises:
        InputError: an unknown kind.
    """
    if kind not in get_args(ConflictLoss):
        raise InputError(f"kind: expected one of {', '.join(get_args(ConflictLoss))}; got {kind!r}")
    positions = edges.once
    if kind == "cosine":
        positions = positions[(gradient != 0).any(1)[edges.index[:, positions]].all(0)]
        gradient = unit_rows(gradient)
    opposing = (-edges.products(gradient, positions)).clamp(min=0.0)
    return opposing.sum() if kind == "raw" else opposing.sum() / max(positions.numel(), 1)


def node_energy(gradient: Tensor, edges: Edges) -> float:
    """Mean of max(0, -cos) over the edges both of whose ends have a gradient, for gradients [n, d].

    The paper's energy (27) is a sum over pairs of *tasks*: with one task it is always 0 and the gate of
    (13) would never open. This is its node counterpart, from 0 to 1, and what our gate looks at.
    """
    with torch.no_grad():
        return float(conflict_loss(gradient, edges, "cosine"))


def task_energy(gradients: Tensor) -> Tensor:
    """Sum [n] over pairs of tasks of max(0, -cos) at each node, for gradients [T, n, d] (eq. 27)."""
    flat = gradients.reshape(-1, gradients.shape[-1])
    unit = unit_rows(flat).reshape(gradients.shape)
    cosines = torch.einsum("ind,jnd->nij", unit, unit)
    first, second = torch.triu_indices(len(gradients), len(gradients), offset=1)
    return (-cosines[:, first, second]).clamp(min=0.0).sum(1)
