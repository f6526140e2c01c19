"""Which nodes pull against their context, and how much edges and tasks pull against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.conflict import ONE_TASK
from gradprobe.geometry.cosines import ZERO_GRADIENT
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph.rows import check_gradients, cosines, edge_products, norms, unit_rows
from gradprobe.geometry.graph.topology import NodeGraph
from gradprobe.geometry.quantity import Quantity

NO_EDGE = "the graph has no edge"


@dataclass(frozen=True, eq=False)
class EdgeConflict:
    """How much gradients at the two ends of edges oppose each other: one value, or [T] for T tasks.

    `loss` is eq. (2), the sum over undirected edges of max(0, -g_u.g_v) times the edge's weight; it
    scales with the square of the gradients and is ruled by large rows. `loss_per_edge` divides by the
    total weight. `energy` puts the cosine in the place of the product: the node energy; an edge with a
    zero end adds nothing. `energy_per_edge` divides by the weight of edges that have a cosine, and
    `defined` is their share of the total weight.
    """

    loss: FloatArray
    loss_per_edge: Quantity
    energy: FloatArray
    energy_per_edge: Quantity
    defined: FloatArray


def conflict_flags(
    gradients: npt.ArrayLike, contexts: npt.ArrayLike, *, min_norm: float = 0.0, below: float = 0.0
) -> BoolArray:
    """Whether each node, [n] or [T, n], has |g| > min_norm and cos(g, context) < below (GraGR, eq. 1).

    `contexts` are those of the gradients [n, d] or [T, n, d], or a direction [d] or [T, d] for all nodes. A
    zero gradient or a zero context (an isolated node's) has no cosine and is not flagged.
    """
    rows = check_gradients(gradients)
    cosine = cosines(rows, per_node(contexts, rows))
    # Comparing with NaN is False.
    return np.asarray((norms(rows) > min_norm) & (cosine < below))


def edge_conflict(gradients: npt.ArrayLike, graph: NodeGraph) -> EdgeConflict:
    """Conflict along edges, of node gradients [n, d] or [T, n, d] (GraGR, eq. 2)."""
    rows = check_gradients(gradients, graph)
    per_task = np.array([_along_edges(task, graph) for task in rows.reshape(-1, *rows.shape[-2:])])
    loss, energy, defined = per_task.T.reshape(3, *rows.shape[:-2])
    total = np.full(loss.shape, graph.weights.sum())
    return EdgeConflict(
        loss=loss,
        loss_per_edge=_ratio(loss, total, NO_EDGE),
        energy=energy,
        energy_per_edge=_ratio(energy, defined, ZERO_GRADIENT if graph.edges.size else NO_EDGE),
        defined=defined / np.where(total > 0.0, total, 1.0),
    )


def task_similarities(gradients: npt.ArrayLike) -> FloatArray:
    """S_ij(v) = cos(g_i(v), g_j(v)) [n, T, T] of gradients [T, n, d]; NaN where either is zero (GraGR, §5.2).

    Raises:
        InputError: gradients of one task, without the leading axis.
    """
    rows = _tasks(gradients)
    return cosines(rows[:, None], rows[None, :]).transpose(2, 0, 1)


def task_conflict(gradients: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Task conflict energy of each node [n] and its mean per pair [n], from [T, n, d] (GraGR, eq. 27).

    The sum over pairs i < j of max(0, -cos(g_i(v), g_j(v))). Pairs with a zero gradient add nothing and
    are left out of the mean, which is NaN where there is no other pair. Both are NaN for one task: that
    energy cannot tell anything about the one task of node classification (`EdgeConflict.energy` does).

    Raises:
        InputError: gradients of one task, without the leading axis.
    """
    rows = _tasks(gradients)
    energy, pairs = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for later in range(1, len(rows)):
        for cosine in cosines(rows[:later], rows[later][None]):
            energy += np.where(np.isnan(cosine), 0.0, np.maximum(0.0, -cosine))
            pairs += ~np.isnan(cosine)
    if len(rows) == 1:
        energy = np.full(rows.shape[1], np.nan)
    mean = np.full(rows.shape[1], np.nan)
    np.divide(energy, pairs, out=mean, where=pairs > 0)
    return energy, mean


def per_node(contexts: npt.ArrayLike, rows: FloatArray) -> FloatArray:
    """Contexts in a shape that broadcasts with gradients [n, d] or [T, n, d].

    Raises:
        InputError: neither one a node nor one for all.
    """
    array = np.asarray(contexts, dtype=np.float64)
    if array.shape == rows.shape:
        return array
    if array.shape == (*rows.shape[:-2], rows.shape[-1]):
        return array[..., None, :]
    raise InputError(
        f"contexts: expected those of gradients {rows.shape}, or one direction for all nodes, got shape "
        f"{array.shape}"
    )


def _along_edges(rows: FloatArray, graph: NodeGraph) -> tuple[float, float, float]:
    """Loss, energy and the weight of the edges that have a cosine, of one task."""
    loss = float(graph.weights @ np.maximum(0.0, -edge_products(rows, rows, graph)))
    units = unit_rows(rows)
    opposed = np.clip(-edge_products(units, units, graph), 0.0, 1.0)
    nonzero = np.asarray(rows.any(axis=1))
    both = nonzero[graph.edges[0]] & nonzero[graph.edges[1]]
    return loss, float(graph.weights @ opposed), float(graph.weights @ both)


def _ratio(values: npt.ArrayLike, weights: FloatArray, reason: str) -> Quantity:
    ratio = np.full(weights.shape, np.nan)
    np.divide(values, weights, out=ratio, where=weights > 0.0)
    undefined = {tuple(int(i) for i in index): reason for index in np.argwhere(np.isnan(ratio))}
    return Quantity(ratio, undefined)


def _tasks(gradients: npt.ArrayLike) -> FloatArray:
    rows = check_gradients(gradients)
    if rows.ndim != 3:
        raise InputError(
            f"gradients: expected those of several tasks [tasks, nodes, width], got shape "
            f"{rows.shape}; {ONE_TASK}"
        )
    return rows
