"""Group gradients kept as they are: one tensor a group and parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.gradients.shared import SharedParameters

Row = Sequence[Tensor | None]
# Columns that are widened to float64 at a time: 18 tasks then take 19 MB, whatever the layer's size.
_CHUNK = 1 << 17


class UndefinedDiagonalError(Exception):
    """A diagonal to precondition by is not there for a parameter that has a gradient."""


@dataclass(frozen=True, eq=False)
class JacobianCapture:
    """The Jacobian as g rows of p tensors; None where a loss does not reach a parameter."""

    rows: Sequence[Row]
    shared: SharedParameters
    engine: str = "loop"
    note: str = ""

    @property
    def reached(self) -> BoolArray:
        """Which layers each row has a gradient on [l, g]."""
        reached = np.zeros((len(self.shared.layers), len(self.rows)), dtype=np.bool_)
        for group, row in enumerate(self.rows):
            for layer, entry in zip(self.shared.layer_of, row, strict=True):
                reached[layer, group] |= entry is not None
        return reached

    def gramian(self) -> FloatArray:
        """Inner products [l, g, g] of the rows, accumulated in float64.

        A complex gradient counts as its real and its imaginary parts.
        """
        groups = len(self.rows)
        values = np.zeros((len(self.shared.layers), groups, groups))
        for position, layer in enumerate(self.shared.layer_of):
            column = [row[position] for row in self.rows]
            index = [i for i, entry in enumerate(column) if entry is not None]
            if index:
                block = _inner_products([entry for entry in column if entry is not None])
                values[layer][np.ix_(index, index)] += block
        return values

    def combined(self, weights: FloatArray) -> list[Tensor | None]:
        """The weighted sum of the rows [g], one tensor a parameter, in the gradients' own dtype."""
        return [
            _weighted_sum([row[position] for row in self.rows], weights)
            for position in range(len(self.shared.parameters))
        ]

    def products(self, gradient: Row) -> FloatArray:
        """Inner products [l, g] of the rows with another one, accumulated in float64."""
        values = np.zeros((len(self.shared.layers), len(self.rows)))
        for position, (layer, other) in enumerate(zip(self.shared.layer_of, gradient, strict=True)):
            for group, row in enumerate(self.rows):
                own = row[position]
                if own is not None and other is not None:
                    values[layer, group] += _inner_product(own, other)
        return values

    def jacobian(self) -> JacobianCapture:
        """The capture itself."""
        return self

    def preconditioned(self, diagonal: Row) -> JacobianCapture:
        """The rows times the root of a diagonal D: their inner products are `<g_i, D g_j>`.

        Raises:
            UndefinedDiagonalError: D is missing for a parameter that some loss reaches.
        """
        reached = {k for row in self.rows for k, entry in enumerate(row) if entry is not None}
        missing = next((self.shared.names[k] for k in sorted(reached) if diagonal[k] is None), None)
        if missing is not None:
            raise UndefinedDiagonalError(f"the optimiser has not yet moved {missing!r}")
        roots = [None if own is None else own.detach().sqrt() for own in diagonal]
        rows = [[_times(entry, root) for entry, root in zip(row, roots, strict=True)] for row in self.rows]
        return replace(self, rows=rows)

    def restricted(self, shared: SharedParameters) -> JacobianCapture:
        """The same rows on some of the parameters only, which `shared` names."""
        positions = [self.shared.names.index(name) for name in shared.names]
        return replace(self, rows=[[row[i] for i in positions] for row in self.rows], shared=shared)


def _times(gradient: Tensor | None, root: Tensor | None) -> Tensor | None:
    if gradient is None or root is None:
        return None
    dense = gradient.to_dense() if gradient.layout != torch.strided else gradient
    return dense.detach() * root


def _inner_products(gradients: Sequence[Tensor]) -> FloatArray:
    """Inner products [k, k] of k gradients of one parameter."""
    flat = [_flatten(gradient) for gradient in gradients]
    total = torch.zeros(len(flat), len(flat), dtype=torch.float64, device=flat[0].device)
    for start in range(0, flat[0].numel(), _CHUNK):
        block = torch.stack([vector[start : start + _CHUNK].double() for vector in flat])
        total += block @ block.T
    # Products round (i, j) and (j, i) apart.
    return ((total + total.T) / 2).cpu().numpy()


def _inner_product(one: Tensor, other: Tensor) -> float:
    pieces = zip(torch.split(_flatten(one), _CHUNK), torch.split(_flatten(other), _CHUNK), strict=True)
    return sum(float(a.double() @ b.double()) for a, b in pieces)


def _flatten(gradient: Tensor) -> Tensor:
    dense = gradient.to_dense() if gradient.layout != torch.strided else gradient
    flat = dense.detach().reshape(-1)
    return torch.view_as_real(flat.resolve_conj()).reshape(-1) if flat.is_complex() else flat


def _weighted_sum(gradients: Sequence[Tensor | None], weights: FloatArray) -> Tensor | None:
    total: Tensor | None = None
    for gradient, weight in zip(gradients, weights, strict=True):
        if gradient is not None:
            term = gradient.detach() * float(weight)
            total = term if total is None else total + term
    return total
