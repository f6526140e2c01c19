"""Group gradients kept as inputs and output gradients of the layers, never as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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
from gradprobe.gradients.rowwise.rows import TOLERANCES, wide_dtype
from gradprobe.gradients.shared import SharedParameters


class CancellingRowsError(Exception):
    """Rows that cancel so far that their sum is lost in rounding."""


@dataclass(frozen=True, eq=False)
class RowwiseCapture:
    """What one pass left of each parameter, by position; `rest` holds the parameters measured by loop.

    The portions are those of losses multiplied by `scales` [g]; `reached` [l, g] tells which layers each of
    these reaches; `how` tells what was done besides one pass over all. Keeps the layers' inputs and output
    gradients alive: drop it before the next step.
    """

    shared: SharedParameters
    portions: Mapping[int, Sequence[Portion]]
    scales: FloatArray
    reached: BoolArray
    rest: JacobianCapture | None = None
    how: str = ""
    engine: str = "rowwise"
    _refined: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """How the gradients came about."""
        if not self._refined:
            return self.how
        names = ", ".join(self._refined)
        refined = f"products in float64 for {names}, since the rows of a task nearly cancel there"
        return f"{self.how}; {refined}" if self.how else refined

    @property
    def _is_single(self) -> bool:
        """Whether sums are formed in float32."""
        return any(wide_dtype(own.rows.values) == torch.float32 for p in self.portions.values() for own in p)

    def gramian(self) -> FloatArray:
        """Inner products [l, g, g] of the group gradients, accumulated in float64."""
        return self._products[0]

    def check_rows_do_not_cancel(self) -> None:
        """Refuse gradients that are lost in the rounding of the rows they are the sum of.

        Losses are scaled by random numbers, so rows carry a rounding of their own that does not cancel
        with them. Measured, it is 0.015 roundings of the sum of the rows' lengths.

        Raises:
            CancellingRowsError: names the layers.
        """
        values, noise = self._products
        norms = np.diagonal(values, axis1=1, axis2=2)
        dtype = torch.float32 if self._is_single else torch.float64
        error = 0.015 * torch.finfo(dtype).eps * noise
        lost = error * (2 * np.sqrt(np.maximum(norms, 0)) + error) > 0.3 * TOLERANCES[dtype] * norms
        spoilt = np.flatnonzero(lost.any(axis=1))
        if len(spoilt):
            layers = ", ".join(self.shared.layers[i] for i in spoilt)
            raise CancellingRowsError(f"the rows of a task cancel in {layers}")

    @cached_property
    def _products(self) -> tuple[FloatArray, FloatArray]:
        """Inner products [l, g, g], and the summed lengths [l, g] of each group's rows."""
        groups = len(self.scales)
        values = np.zeros((len(self.shared.layers), groups, groups))
        lengths = np.zeros((len(self.shared.layers), groups))
        for position, portions in self.portions.items():
            found = inner_products(portions, self.shared.parameters[position].shape)
            if found.refined:
                self._refined.append(self.shared.names[position])
            values[self.shared.layer_of[position]] += found.values.cpu().numpy()
            lengths[self.shared.layer_of[position]] += found.bound.sqrt().cpu().numpy()
        values /= np.outer(self.scales, self.scales)
        values = values if self.rest is None else values + self.rest.gramian()
        return values, lengths / self.scales

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
        return JacobianCapture(rows, self.shared, self.engine, self.how)
