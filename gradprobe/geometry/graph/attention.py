"""Attention of nodes to their neighbours by the agreement of their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.graph.rows import check_gradients, edge_products, unit_rows
from gradprobe.geometry.graph.topology import IntArray, NodeGraph, symmetric


@dataclass(frozen=True, eq=False)
class Attention:
    """What share [p] of its message each node (`receivers` [p]) takes from each neighbour (`senders` [p]).

    Sorted by receiver, then sender; the shares of a receiver add up to one. Shares are
    not symmetric.
    """

    receivers: IntArray
    senders: IntArray
    shares: FloatArray


def gradient_attention(
    gradients: npt.ArrayLike, graph: NodeGraph, *, temperature: float = 1.0, cosine: bool = False
) -> Attention:
    """alpha_uv = softmax over neighbours v of u of temperature sum_i g_i(u).g_i(v) (GraGR, eq. 5).

    Gradients are [n, d] or [T, n, d]; each task is smoothed or not as you hand it in. `temperature` is
    the paper's beta: 0 is uniform, large is nearly one-hot. Raw products of small gradients are all
    but equal and make it uniform too; `cosine` sums cosines instead, which lie in [-T, T]; a zero
    gradient scores 0 there. A node without neighbours attends to itself. Edge weights do not enter.

    In training, take the gradients of the previous step: those of the present one are not yet known, and at
    evaluation they would leak labels.
    """
    rows = check_gradients(gradients, graph)
    tasks = rows if rows.ndim == 3 else rows[None]
    if cosine:
        tasks = unit_rows(tasks)
    products = sum((edge_products(task, task, graph) for task in tasks), np.zeros(graph.edges.shape[1]))
    matrix = symmetric(graph.edges, temperature * products, graph.nodes)
    alone = np.flatnonzero(graph.degrees == 0)
    places = matrix.indptr[alone]
    senders = np.insert(matrix.indices.astype(np.int64), places, alone)
    scores = np.insert(matrix.data, places, 0.0)
    # Every node receives something, so none of these segments is empty.
    number = np.maximum(graph.degrees, 1.0).astype(np.int64)
    starts = np.cumsum(number) - number
    receivers = np.repeat(np.arange(graph.nodes), number)
    shifted = np.exp(scores - np.maximum.reduceat(scores, starts)[receivers])
    return Attention(receivers, senders, shifted / np.add.reduceat(shifted, starts)[receivers])
