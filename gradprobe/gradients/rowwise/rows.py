"""Output gradients as rows, each owned by one group, brought into an order where groups are slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

# The owner of a row that no group's loss reaches.
NOBODY = -1
# How exact group gradients must be (docs/engines.md), by dtype; of bfloat16 no more can be asked.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 5e-2}


def wide(values: Tensor) -> Tensor:
    """The values in the dtype that sums are formed in: float64 stays, everything else is float32."""
    return values.to(wide_dtype(values))


def wide_dtype(values: Tensor) -> torch.dtype:
    """The dtype that sums of some values are formed in."""
    return torch.promote_types(values.dtype, torch.float32)


@dataclass(frozen=True, eq=False)
class OwnedRows:
    """Rows [r, ...] of an output gradient and the group that owns each, `owner` [r].

    Rows of `NOBODY` are zero: no loss of the pass reaches them.
    """

    values: Tensor
    owner: Tensor
    groups: int

    @cached_property
    def slices(self) -> list[tuple[int, slice]]:
        """Each group that owns rows, and where they are after `arrange`."""
        steps = torch.arange(self.groups + 1, device=self.owner.device)
        order = self._order
        # Unowned zeros between two groups may be counted to either.
        ascending = torch.cummax(self.owner, 0).values if order is None else self.owner[order]
        bounds: list[int] = torch.searchsorted(ascending, steps).tolist()
        pairs = enumerate(pairwise(bounds))
        return [(group, slice(start, end)) for group, (start, end) in pairs if start < end]

    @cached_property
    def each(self) -> int:
        """How many rows each group owns where that is the same number for all, and no row is left; else 0."""
        sizes = {own.stop - own.start for _, own in self.slices}
        size = sizes.pop() if len(sizes) == 1 else 0
        return size if len(self.slices) == self.groups and size * self.groups == len(self.owner) else 0

    def stacked(self, arranged: Tensor) -> Tensor:
        """Arranged values [r, ...] as [g, rows of each group, ...], where all groups own as many."""
        return arranged.reshape(self.groups, self.each, *arranged.shape[1:])

    def arrange(self, values: Tensor) -> Tensor:
        """Values [r, ...] with each group's rows side by side; the very tensor where they are already."""
        return values if self._order is None else values[self._order]

    @cached_property
    def arranged(self) -> Tensor:
        """The rows themselves, arranged."""
        return self.arrange(self.values)

    @cached_property
    def lengths(self) -> Tensor:
        """The norm [r] of each row, in float64."""
        lengths: Tensor = torch.linalg.vector_norm(self.values.flatten(1), dim=1, dtype=torch.float64)
        return lengths

    def scaled(self, weights: Tensor) -> Tensor:
        """The rows [r, ...], each times the weight of its group, from weights [g]; unowned ones are zero."""
        factors = torch.cat([weights, weights.new_zeros(1)])[self.owner]
        values = wide(self.values)
        return values * factors.to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))

    def membership(self) -> Tensor:
        """The matrix [r, g] with a one where a group owns a row."""
        groups = torch.arange(self.groups, device=self.owner.device)
        return (self.owner[:, None] == groups).to(self.values.dtype)

    @cached_property
    def _order(self) -> Tensor | None:
        if not self.owner.numel():
            return None
        owned = self.owner[self.owner != NOBODY]
        if bool((owned[1:] >= owned[:-1]).all()):
            return None
        return torch.argsort(self.owner, stable=True)
