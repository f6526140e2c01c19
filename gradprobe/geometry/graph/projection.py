"""Removing what opposes the context from a node's gradient."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph.conflict import per_node
from gradprobe.geometry.graph.rows import check_gradients, scaled


def project(
    gradients: npt.ArrayLike, contexts: npt.ArrayLike, *, flagged: BoolArray | None = None
) -> FloatArray:
    """Gradients [n, d] or [T, n, d] whose part against their context is removed (GraGR, eq. 3).

    All at once, from the contexts given; a projected gradient is orthogonal to its context, zero if
    it was antiparallel. Only negative inner products are removed, also where `flagged` [n] or [T, n]
    (default: all nodes) comes from a threshold above 0: the formula as printed would strip agreeing
    parts there, against its own Lemma 1. Afterwards a node may still oppose its *new* context.
    """
    rows = check_gradients(gradients)
    around, _ = scaled(per_node(contexts, rows))  # a projection does not depend on the context's length
    squares = np.einsum("...d,...d->...", around, around)
    products = np.einsum("...d,...d->...", rows, around)
    against = products < 0.0 if flagged is None else (products < 0.0) & flagged
    share = np.zeros(products.shape)
    np.divide(products, np.broadcast_to(squares, products.shape), out=share, where=against)
    return np.asarray(rows - share[..., None] * around)
