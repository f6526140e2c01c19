"""How the conflict loss of a weighted sum of tasks depends on the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.graph.rows import check_gradients, edge_products
from gradprobe.geometry.graph.topology import NodeGraph


@dataclass(frozen=True, eq=False)
class MixedConflict:
    """The conflict loss of g = sum_i gamma_i g_i and its derivative [T] by the weights gamma."""

    loss: float
    derivative: FloatArray


def mixed_conflict(gradients: npt.ArrayLike, graph: NodeGraph, weights: npt.ArrayLike) -> MixedConflict:
    """L_conf (eq. 2) of gradients [T, n, d] mixed by weights [T], and dL_conf / dweights.

    With C_uv[i, j] = g_i(u).g_j(v), the derivative is -sum over edges in conflict of (C_uv + C_uv^T) gamma;
    it is computed without the T x T matrices, in O(T E d). The loss is quadratic in the weights, so
    gamma.derivative = 2 loss, and descent without a constraint drives all weights to zero: keep their sum.

    Raises:
        InputError: gradients without the axis of tasks, or not one weight a task.
    """
    rows = check_gradients(gradients, graph)
    gamma = np.asarray(weights, dtype=np.float64)
    if rows.ndim != 3 or gamma.shape != rows.shape[:1]:
        raise InputError(
            f"weights: expected one for each task of gradients [tasks, nodes, width], got shapes "
            f"{gamma.shape} and {rows.shape}"
        )
    mixed = np.einsum("t,tnd->nd", gamma, rows)
    products = edge_products(mixed, mixed, graph)
    active = np.where(products < 0.0, graph.weights, 0.0)
    derivative = [
        -float(active @ (edge_products(task, mixed, graph) + edge_products(mixed, task, graph)))
        for task in rows
    ]
    return MixedConflict(-float(active @ products), np.array(derivative))
