"""GraGR's correction of node gradients: detect (1), project (3), smooth (4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.graphs.gragr.edges import Edges, unit_rows

Context = Literal["neighbours", "principal"]


@dataclass(frozen=True, eq=False)
class Corrected:
    """Gradients [n, d] after the correction, and which nodes [n] were found in conflict before it."""

    gradient: Tensor
    conflicting: Tensor


@dataclass(frozen=True)
class Correction:
    """What happens to the gradients [n, d] of a layer's representations on their way back.

    `project` removes from each conflicting node's gradient its part along its context; `smooth` then
    solves (I + smoothing L) g' = g, by `steps` Jacobi iterations (the paper takes one) or, with
    `exact`, to the end. A node conflicts where its gradient is longer than `magnitude` and its cosine
    with the context is below `cosine`. The paper gives none of these numbers.

    Raises:
        InputError: a number out of its range or an unknown context.
    """

    project: bool = True
    smooth: bool = True
    context: Context = "neighbours"
    magnitude: float = 0.0
    cosine: float = 0.0
    smoothing: float = 0.5
    steps: int = 1
    exact: bool = False

    def __post_init__(self) -> None:
        if self.context not in get_args(Context):
            raise InputError(f"context: expected one of {', '.join(get_args(Context))}; got {self.context!r}")
        if not (self.magnitude >= 0.0 and -1.0 <= self.cosine <= 1.0 and self.smoothing >= 0.0):
            raise InputError(
                "correction: expected magnitude >= 0, cosine in [-1, 1] and smoothing >= 0, got "
                f"{self.magnitude}, {self.cosine} and {self.smoothing}"
            )
        if self.steps < 1:
            raise InputError(f"steps: expected at least 1 Jacobi step, got {self.steps}")

    def __call__(self, gradient: Tensor, edges: Edges) -> Corrected:
        """Gradients [n, d] corrected over the graph."""
        context = contexts(gradient, edges, self.context)
        flags = conflicting(gradient, context, magnitude=self.magnitude, cosine=self.cosine)
        corrected = project(gradient, context, flags) if self.project else gradient
        if self.smooth and self.exact:
            corrected = smooth_exactly(corrected, edges, self.smoothing)
        elif self.smooth:
            corrected = smooth(corrected, edges, self.smoothing, steps=self.steps)
        return Corrected(corrected, flags)


def contexts(gradient: Tensor, edges: Edges, kind: Context = "neighbours") -> Tensor:
    """The direction [n, d] each node is compared with: its neighbours' mean, or the graph's principal one.

    The principal direction is the first right singular vector of the gradients [n, d], turned so that its
    product with their mean is not negative; its sign is arbitrary otherwise.
    """
    if kind == "neighbours":
        return edges.neighbour_mean(gradient)
    direction = torch.linalg.svd(gradient, full_matrices=False).Vh[0]
    if not gradient.any():
        direction = torch.zeros_like(direction)
    elif direction @ gradient.mean(0) < 0:
        direction = -direction
    principal: Tensor = direction.expand_as(gradient)
    return principal


def conflicting(gradient: Tensor, context: Tensor, *, magnitude: float = 0.0, cosine: float = 0.0) -> Tensor:
    """Nodes [n] with ||g|| > magnitude and cos(g, context) < cosine, from g and context [n, d] (eq. 1).

    A node without gradient or context (an isolated one, say) has no cosine and is not flagged.
    """
    cosines = (unit_rows(gradient) * unit_rows(context)).sum(1)
    defined = (gradient != 0).any(1) & (context != 0).any(1)
    long: Tensor = gradient.norm(dim=1) > magnitude
    return defined & long & (cosines < cosine)


def project(gradient: Tensor, context: Tensor, flags: Tensor) -> Tensor:
    """Gradients [n, d] without the part of flagged nodes [n] along their contexts [n, d] (eq. 3).

    All at once, from the gradients before the step. Only opposing parts are removed: where a positive
    threshold flagged a node that agrees with its context, the formula would take the agreement away.
    """
    unit = unit_rows(context)
    opposing = (gradient * unit).sum(1).clamp(max=0.0)
    return gradient - torch.where(flags, opposing, torch.zeros_like(opposing))[:, None] * unit


def smooth(gradient: Tensor, edges: Edges, smoothing: float, *, steps: int = 1) -> Tensor:
    """Gradients [n, d] after some Jacobi steps towards the solution of (I + smoothing L) g' = g (eq. 4).

    The first step is (g_i + smoothing * sum of neighbours) / (1 + smoothing * degree). It converges on
    every graph, the paper's spectral condition is never violated; but unlike the solution, its steps do
    not keep the sum of the gradients where degrees differ.
    """
    diagonal = (1.0 + smoothing * edges.degree.to(gradient.dtype))[:, None]
    current = gradient
    for _ in range(steps):
        current = (gradient + smoothing * edges.neighbour_sum(current)) / diagonal
    return current


def smooth_exactly(gradient: Tensor, edges: Edges, smoothing: float) -> Tensor:
    """The solution [n, d] of (I + smoothing L) g' = g by a sparse factorisation, differentiable."""
    smoothed: Tensor = _Solve.apply(gradient, edges, smoothing)  # type: ignore[no-untyped-call]
    return smoothed


class _Solve(torch.autograd.Function):
    """The matrix is symmetric, so that the backward pass is the same solve."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, edges: Edges, smoothing: float) -> Tensor:
        ctx.edges, ctx.smoothing = edges, smoothing
        right = gradient.detach().cpu().double().numpy()
        return torch.from_numpy(_solve(edges, smoothing, right)).to(gradient)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        return smooth_exactly(above[0], ctx.edges, ctx.smoothing), None, None


def _solve(edges: Edges, smoothing: float, right: Any) -> Any:
    source, target = edges.index.cpu().numpy()
    degree = edges.degree.cpu().numpy()
    adjacency = sparse.csc_matrix((np.ones(source.size), (target, source)), shape=(edges.nodes, edges.nodes))
    system = sparse.diags(1.0 + smoothing * degree) - smoothing * adjacency
    return splu(system.tocsc()).solve(np.ascontiguousarray(right))
