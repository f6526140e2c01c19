"""What a node's gradient is compared with: the mean of its neighbours, or the main direction of the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.graph.rows import check_gradients, cosines, over_neighbours
from gradprobe.geometry.graph.topology import NodeGraph


def neighbour_mean(gradients: npt.ArrayLike, graph: NodeGraph) -> FloatArray:
    """Mean gradient of each node's neighbours [n, d] or [T, n, d], without the node itself (GraGR, §4.1).

    Neighbours count alike, whatever the weights, zero rows included. A node without neighbours has a zero
    context, with which nothing is in conflict.
    """
    rows = check_gradients(gradients, graph)
    return over_neighbours(rows, graph) / np.maximum(graph.degrees, 1.0)[:, None]


def principal_direction(gradients: npt.ArrayLike) -> FloatArray:
    """The unit direction [d] or [T, d] in which node gradients [n, d] or [T, n, d] are largest (GraGR, §4.1).

    The first right singular vector, rows not centred. Its sign, which is arbitrary, is that of a
    non-negative inner product with the mean row; where that is zero, the entry of largest magnitude is
    positive. Zero for zero gradients; any of the leading directions where several are equally large.
    """
    rows = check_gradients(gradients)
    if rows.ndim == 3:
        return np.stack([principal_direction(task) for task in rows])
    largest = np.abs(rows).max(initial=0.0)
    if largest == 0.0:
        return np.zeros(rows.shape[-1])
    rows = rows / largest
    # The triangular factor has the same right singular vectors, and d rows rather than n.
    direction: FloatArray = np.linalg.svd(np.linalg.qr(rows, mode="r"))[2][0]
    towards = float(direction @ rows.mean(axis=0))
    if towards == 0.0:
        towards = float(direction[np.abs(direction).argmax()])
    return direction if towards > 0.0 else -direction


def alignment(gradients: npt.ArrayLike, graph: NodeGraph) -> FloatArray:
    """Cosine [n] or [T, n] of each node's gradient with its neighbours' mean.

    NaN where there is no direction to compare: no neighbours, a zero gradient, or neighbours that cancel or
    are zero. With few labelled nodes that is most of the graph: average over the others.
    """
    rows = check_gradients(gradients, graph)
    return cosines(rows, neighbour_mean(rows, graph))
