"""Group gradients kept as inputs and output gradients of the layers, never as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.rowwise.products import (
    Portion,
    group_gradients,
    inner_products,
    products_with,
    weighted_sum,
)
from gradprobe.gradients.shared import SharedParameters


@dataclass(frozen=True, eq=False)
class RowwiseCapture:
    """What one pass left of each parameter, by position; `rest` holds the parameters measured by loop.

    The portions are those of losses multiplied by `scales` [g]; `reached` [l, g] tells which layers each of
    these reaches. Keeps the layers' inputs and output
    gradients alive: drop it before the next step.
    """

    shared: SharedParameters
    portions: Mapping[int, Sequence[Portion]]
    scales: FloatArray
    reached: BoolArray
    rest: JacobianCapture | None = None
    note: str = ""
    engine: str = "rowwise"

    def gramian(self) -> FloatArray:
        """Inner products [l, g, g] of the group gradients, accumulated in float64."""
        groups = len(self.scales)
        values = np.zeros((len(self.shared.layers), groups, groups))
        for position, portions in self.portions.items():
            products = inner_products(portions, self.shared.parameters[position].shape)
            values[self.shared.layer_of[position]] += products.cpu().numpy()
        values /= np.outer(self.scales, self.scales)
        return values if self.rest is None else values + self.rest.gramian()

    def combined(self, weights: FloatArray) -> list[Tensor | None]:
        """The weighted sum of the group gradients, one tensor a parameter, for weights [g].

        Costs one weight gradient a layer: neither a backward pass nor any group's own gradient.
        """
        none: list[Tensor | None] = [None] * len(self.shared.parameters)
        combined = none if self.rest is None else self.rest.combined(weights)
        own = torch.from_numpy(weights / self.scales)
        for position, portions in self.portions.items():
            total = weighted_sum(portions, own.to(portions[0].rows.values.device))
            combined[position] = total.to(self.shared.parameters[position].dtype)
        return combined

    def products(self, gradient: Row) -> FloatArray:
        """Inner products [l, g] of the group gradients with another gradient, a tensor a parameter.

        Costs about one forward pass through the layers, and no group's own gradient.
        """
        values = np.zeros((len(self.shared.layers), len(self.scales)))
        for position, portions in self.portions.items():
            other = gradient[position]
            if other is not None:
                values[self.shared.layer_of[position]] += products_with(portions, other).cpu().numpy()
        values /= self.scales
        return values if self.rest is None else values + self.rest.products(gradient)

    def jacobian(self) -> JacobianCapture:
        """The group gradients themselves: as much memory as one copy of the parameters a group."""
        none: list[Tensor | None] = [None] * len(self.shared.parameters)
        rows = [list(none if self.rest is None else self.rest.rows[i]) for i in range(len(self.scales))]
        for position, portions in self.portions.items():
            gradients = group_gradients(portions, self.shared.parameters[position].shape)
            for row, gradient, scale in zip(rows, gradients, self.scales, strict=True):
                row[position] = gradient / float(scale)
        return JacobianCapture(rows, self.shared, self.engine, self.note)
