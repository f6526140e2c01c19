"""Gradients pulled towards their neighbours': (I + strength L) g' = g with the Laplacian L = D - A."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import splu

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.graph.rows import check_gradients
from gradprobe.geometry.graph.topology import NodeGraph


class LaplacianSystem:
    """(I + strength L), factorised once and solved for as many gradients as wanted (GraGR, eq. 4).

    Symmetric and positive definite for every strength >= 0 and every graph. Undirected edges count
    once: with both directions the strength would be twice as large. The factor of a dense graph fills
    in; where it outgrows memory, take `smooth_jacobi`.

    Raises:
        InputError: a negative strength.
    """

    def __init__(self, graph: NodeGraph, strength: float) -> None:
        self._graph = graph
        system = diags_array(1.0 + _checked(strength) * graph.strengths) - strength * graph.adjacency
        # The matrix is diagonally dominant: pivots stay on the diagonal, and an ordering for symmetric
        # matrices fills in a quarter of what the default does.
        self._factor = splu(
            csc_array(system),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(self, gradients: npt.ArrayLike) -> FloatArray:
        """The smoothed gradients, [n, d] or [T, n, d], exact up to rounding."""
        rows = check_gradients(gradients, self._graph)
        if rows.ndim == 3:
            return np.stack([self._factor.solve(task) for task in rows])
        return np.asarray(self._factor.solve(rows))


def smooth(gradients: npt.ArrayLike, graph: NodeGraph, *, strength: float) -> FloatArray:
    """The exact solution [n, d] or [T, n, d] of (I + strength L) g' = g (GraGR, eq. 4).

    The sum of the rows of each component stays; isolated nodes stay; large strengths approach the mean
    of each component. Keep a `LaplacianSystem` where many gradients are smoothed on one graph.

    Raises:
        InputError: a negative strength.
    """
    return LaplacianSystem(graph, strength).solve(gradients)


def smooth_jacobi(
    gradients: npt.ArrayLike, graph: NodeGraph, *, strength: float, steps: int = 1
) -> FloatArray:
    """`steps` Jacobi iterations [n, d] or [T, n, d] towards `smooth`, from the gradients (GraGR, §4.2).

    g_i <- (g_i + strength sum_j A_ij g_j) / (1 + strength deg_i), with the original g_i throughout. It
    always converges, slowly for a large strength times degree. Before that it does not keep sums.

    Raises:
        InputError: a negative strength or number of steps.
    """
    rows = check_gradients(gradients, graph)
    diagonal = 1.0 + _checked(strength) * graph.strengths[:, None]
    smoothed = rows
    for _ in range(_counted(steps)):
        smoothed = (rows + strength * _mixed(smoothed, graph)) / diagonal
    return smoothed


def smooth_descent(
    gradients: npt.ArrayLike, graph: NodeGraph, *, strength: float, steps: int = 1, rate: float | None = None
) -> FloatArray:
    """`steps` of gradient descent [n, d] or [T, n, d] towards `smooth`, from the gradients.

    g' <- g' - rate ((I + strength L) g' - g). It converges for rates below 2 / (1 + strength
    lambda_max(L)); the default, 1 / (1 + 2 strength max(deg)), is always below. Every step keeps the sum
    of each component.

    Raises:
        InputError: a negative strength or number of steps, or a rate that is not positive.
    """
    rows = check_gradients(gradients, graph)
    largest = float(graph.strengths.max())
    pace = 1.0 / (1.0 + 2.0 * _checked(strength) * largest) if rate is None else rate
    if not pace > 0.0:
        raise InputError(f"rate: expected a positive number, got {rate}")
    smoothed = rows
    for _ in range(_counted(steps)):
        pull = strength * (graph.strengths[:, None] * smoothed - _mixed(smoothed, graph))
        smoothed = smoothed - pace * (smoothed + pull - rows)
    return smoothed


def _mixed(rows: FloatArray, graph: NodeGraph) -> FloatArray:
    if rows.ndim == 3:
        return np.stack([graph.adjacency @ task for task in rows])
    return np.asarray(graph.adjacency @ rows)


def _checked(strength: float) -> float:
    if not (strength >= 0.0 and np.isfinite(strength)):
        raise InputError(f"strength: expected a number from 0 on, got {strength}")
    return strength


def _counted(steps: int) -> int:
    if steps < 0:
        raise InputError(f"steps: expected a number from 0 on, got {steps}")
    return steps
