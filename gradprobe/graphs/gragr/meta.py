"""Weights of tasks or node groups, learned by hypergradients (7)-(8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.graphs.gragr.edges import Edges

HessianProduct = Callable[[Tensor], Tensor]


def hypergradient(
    validation: Tensor,
    groups: Tensor,
    *,
    rate: float,
    terms: int = 1,
    hessian: HessianProduct | None = None,
) -> Tensor:
    """Hypergradient dL_val/dgamma [T] from the validation gradient [P] and the groups' [T, P] (eq. 8).

    One term is the one-step version: theta' = theta - rate * sum gamma_i g_i gives
    -rate * grad L_val(theta') . g_i(theta), exact where the update is plain gradient descent and an
    approximation under momentum or Adam. More terms approach the implicit version
    -grad L_val^T H^-1 g_i by the Neumann series H^-1 = rate * sum_k (I - rate H)^k, whose leading `rate`
    public code leaves out; it needs `hessian`, the product of the training loss's Hessian with a vector
    [P], and converges where rate < 2 / the largest eigenvalue of a positive definite H.

    Raises:
        InputError: fewer than one term, or several without `hessian`.
    """
    if terms < 1 or (terms > 1 and hessian is None):
        raise InputError(f"terms: expected 1, or more with hessian=, got {terms}")
    total = power = validation
    for _ in range(terms - 1):
        assert hessian is not None
        power = power - rate * hessian(power)
        total = total + power
    return -rate * (groups @ total)


def conflict_hypergradient(gradients: Tensor, gamma: Tensor, edges: Edges) -> Tensor:
    """Slope dL_conf/dgamma [T] at g = sum gamma_i g_i, from node gradients [T, n, d] (eq. 2 as outer loss).

    The loss is the mean per edge. It is homogeneous of degree two, so that descent without a constraint
    would drive gamma to 0; see `onto_simplex`.
    """
    mixed = torch.einsum("t,tnd->nd", gamma, gradients)
    source, target = edges.index[:, edges.once]
    active = (edges.products(mixed, edges.once) < 0).to(mixed.dtype)[:, None]
    pull = torch.zeros_like(mixed)
    pull = pull.index_add(0, source, active * mixed[target]).index_add(0, target, active * mixed[source])
    slope: Tensor = -torch.einsum("tnd,nd->t", gradients, pull) / max(source.numel(), 1)
    return slope


def onto_simplex(values: Tensor, total: float) -> Tensor:
    """The nearest point [T] to `values` [T] without negative entries and of a given sum: our constraint.

    The paper states none; without it (8) may make weights negative, and the conflict version ends at 0.
    """
    ordered = values.sort(descending=True).values
    excess = (ordered.cumsum(0) - total) / torch.arange(1, len(values) + 1, dtype=values.dtype)
    kept = int((ordered > excess).sum())
    return (values - excess[kept - 1]).clamp(min=0.0)


def update_gamma(gamma: Tensor, gradient: Tensor, present: Tensor, *, rate: float) -> Tensor:
    """Weights [T] after one step down their hypergradient [T], non-negative and with their sum unchanged.

    Groups absent from this step (`present` [T] False) keep their weight, as a task without labels does.
    """
    updated = gamma.clone()
    stepped = gamma[present] - rate * gradient[present]
    updated[present] = onto_simplex(stepped, float(gamma[present].sum()))
    return updated


def degree_groups(edges: Edges, labelled: Tensor, count: int) -> Tensor:
    """A group [k] for each of k labelled nodes, by quantiles of their degrees: 0 holds the lowest.

    Nodes of one degree stay together, so that there may be fewer groups than `count`, never empty ones.
    """
    degrees = edges.degree[labelled].double()
    cuts = torch.quantile(degrees, torch.arange(1, count, dtype=torch.float64) / count)
    groups: Tensor = torch.unique(torch.searchsorted(cuts, degrees, right=True), return_inverse=True)[1]
    return groups


def group_losses(losses: Tensor, groups: Tensor, count: int) -> Tensor:
    """The groups' shares [T] of the mean of per-node losses [k]: their sum is that mean."""
    return losses.new_zeros(count).index_add(0, groups, losses) / max(losses.numel(), 1)


def flatten(gradients: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """Gradients of parameters as one vector [P]; zeros where a parameter was not reached."""
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1)
            for gradient, parameter in zip(gradients, like, strict=True)
        ]
    )
