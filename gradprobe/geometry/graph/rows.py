"""Norms, inner products and cosines of rows, also where they are tiny or huge, and over edges in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.graph.topology import NodeGraph

_PIECE = 1 << 23  # numbers gathered at a time: 64 MB


def check_gradients(gradients: npt.ArrayLike, graph: NodeGraph | None = None) -> FloatArray:
    """Node gradients [n, d] or [T, n, d] in float64.

    Raises:
        InputError: another shape, other nodes than the graph's, or a number that is not finite.
    """
    array = np.asarray(gradients, dtype=np.float64)
    if array.ndim not in (2, 3):
        raise InputError(
            f"gradients: expected [nodes, width] or [tasks, nodes, width], got shape {array.shape}"
        )
    if graph is not None and array.shape[-2] != graph.nodes:
        raise InputError(
            f"gradients: expected a row for each of {graph.nodes} nodes of the graph, got {array.shape[-2]}"
        )
    broken = np.flatnonzero(~np.isfinite(array).all(axis=-1).reshape(-1, array.shape[-2]).all(axis=0))
    if broken.size:
        raise InputError(f"gradients: expected finite numbers, got NaN or infinity at node {broken[0]}")
    return array


def scaled(rows: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Rows [..., d] with their largest entry in [0.5, 1), and the exponents [...] of two taken out.

    Powers of two change no bit of the mantissa, so signs of inner products are those of the rows as
    given, and squares of tiny or huge entries neither vanish nor overflow.
    """
    exponents = np.frexp(np.abs(rows).max(axis=-1, initial=0.0))[1]
    return np.ldexp(rows, -exponents[..., None]), exponents


def norms(rows: FloatArray) -> FloatArray:
    """Euclidean norms [...] of rows [..., d]."""
    small, exponents = scaled(rows)
    return np.asarray(np.ldexp(np.sqrt(np.einsum("...d,...d->...", small, small)), exponents))


def unit_rows(rows: FloatArray) -> FloatArray:
    """Rows [..., d] of length one; zero rows stay zero."""
    small, _ = scaled(rows)
    length = np.sqrt(np.einsum("...d,...d->...", small, small))
    return np.asarray(small / np.where(length > 0.0, length, 1.0)[..., None])


def cosines(rows: FloatArray, others: FloatArray) -> FloatArray:
    """Cosines [...] of rows [..., d] with others [..., d], clipped to [-1, 1]; NaN where either is zero.

    Their signs are those of the inner products.
    """
    a, b = scaled(rows)[0], scaled(others)[0]
    lengths = np.sqrt(np.einsum("...d,...d->...", a, a) * np.einsum("...d,...d->...", b, b))
    values = np.full(lengths.shape, np.nan)
    np.divide(np.einsum("...d,...d->...", a, b), lengths, out=values, where=lengths > 0.0)
    return np.clip(values, -1.0, 1.0)


def edge_pieces(graph: NodeGraph, width: int) -> Iterator[slice]:
    """Slices of the edges, so short that gathered rows of this width stay in tens of megabytes."""
    step = max(1, _PIECE // max(width, 1))
    for start in range(0, graph.edges.shape[1], step):
        yield slice(start, start + step)


def edge_products(rows: FloatArray, others: FloatArray, graph: NodeGraph) -> FloatArray:
    """Inner products [E] of the row of each edge's source with the other row of its target, both [n, d]."""
    products = np.empty(graph.edges.shape[1])
    for piece in edge_pieces(graph, rows.shape[-1]):
        source, target = graph.edges[:, piece]
        products[piece] = np.einsum("ed,ed->e", rows[source], others[target])
    return products


def over_neighbours(values: FloatArray, graph: NodeGraph) -> FloatArray:
    """Sums over neighbours, unweighted, of values [n, d] or [T, n, d]."""
    if values.ndim == 3:
        return np.stack([graph.neighbours @ task for task in values])
    return np.asarray(graph.neighbours @ values)
