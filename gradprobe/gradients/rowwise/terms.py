"""What one use of a parameter adds to its gradient, from what the use saved and its output gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.gradients.rowwise.rows import OwnedRows, wide


class Term(ABC):
    """One use of a parameter, whose gradient is a sum over the rows of the use's output gradient."""

    @abstractmethod
    def add_to(self, gradients: Tensor, rows: OwnedRows) -> None:
        """Add every group's gradient to `gradients` [g, *shape of the parameter], of the wide dtype."""

    @abstractmethod
    def total(self, output: Tensor) -> Tensor:
        """The gradient [*shape of the parameter] from all rows [r, ...] of an output gradient."""

    @abstractmethod
    def products(self, direction: Tensor, output: Tensor) -> Tensor:
        """Inner products [r] of each row's gradient with a direction [*shape of the parameter].

        From what the output would change by along the direction, so no row's gradient is formed.
        """


@dataclass(frozen=True, eq=False)
class Product(Term):
    """A matrix product: inputs A [r, k] times a weight; its gradient is A^T B [k, o], or B^T A [o, k]."""

    inputs: Tensor
    output_first: bool

    def add_to(self, gradients: Tensor, rows: OwnedRows) -> None:
        """Grouped products, a matrix a group."""
        self.add_part_to(gradients, rows, slice(None))

    def add_part_to(self, gradients: Tensor, rows: OwnedRows, columns: slice) -> None:
        """As `add_to`, for some of the k inputs only."""
        a, b = rows.arrange(self.inputs)[:, columns], rows.arranged
        left, right = (b, a) if self.output_first else (a, b)
        if rows.each:
            left, right = (rows.stacked(side.to(gradients.dtype)) for side in (left, right))
            gradients.baddbmm_(left.transpose(1, 2), right)
            return
        for group, own in rows.slices:
            gradients[group].addmm_(left[own].to(gradients.dtype).T, right[own].to(gradients.dtype))

    def total(self, output: Tensor) -> Tensor:
        """One product over all rows."""
        a, b = wide(self.inputs), wide(output)
        return b.T @ a if self.output_first else a.T @ b

    def products(self, direction: Tensor, output: Tensor) -> Tensor:
        """The inputs times the direction, against the output gradient."""
        change = wide(self.inputs) @ (direction.T if self.output_first else direction)
        return (change * wide(output)).sum(1)


@dataclass(frozen=True, eq=False)
class RowSum(Term):
    """A bias or a scale: its gradient sums `output gradient * factor` over rows and broadcast dimensions.

    `output_shape` is that of the output, whose first `lead` dimensions are the rows; `pattern` is the
    parameter's shape among the others, 1 where it was broadcast. A bias has no factor.
    """

    output_shape: torch.Size
    lead: int
    pattern: tuple[int, ...]
    shape: torch.Size
    factor: Callable[[], Tensor] | None = None

    def add_to(self, gradients: Tensor, rows: OwnedRows) -> None:
        """Sums over each group's slice of rows."""
        each = rows.arrange(self._per_row(rows.values))
        if rows.each:
            gradients += rows.stacked(each).sum(1).reshape(gradients.shape)
            return
        for group, own in rows.slices:
            gradients[group] += each[own].sum(0).reshape(self.shape)

    def total(self, output: Tensor) -> Tensor:
        """The sum over all rows."""
        return self._per_row(output).sum(0).reshape(self.shape)

    def products(self, direction: Tensor, output: Tensor) -> Tensor:
        """Each row's own sum against the direction."""
        return self._per_row(output) @ direction.reshape(-1)

    def _per_row(self, output: Tensor) -> Tensor:
        values = wide(output).reshape(self.output_shape)
        if self.factor is not None:
            values = values * wide(self.factor())
        values = values.flatten(0, self.lead - 1)
        broadcast = [i for i, size in enumerate(self.pattern, start=1) if size == 1 != values.shape[i]]
        # Not reshape(rows, -1): a batch may have no rows at all, such as bonds of single atoms.
        return (values.sum(broadcast) if broadcast else values).reshape(len(values), self.shape.numel())


@dataclass(frozen=True, eq=False)
class Lookup(Term):
    """An embedding: row r of the output is row `index[r]` of the table [v, d]; padding has no gradient."""

    index: Tensor
    size: int
    padding: int
    sparse: bool

    def add_to(self, gradients: Tensor, rows: OwnedRows) -> None:
        """One table a group."""
        self._add(gradients, rows, self.index)

    def add_part_to(self, gradients: Tensor, rows: OwnedRows, tokens: Tensor) -> None:
        """As `add_to`, for the given tokens [u] only, which ascend and hold all that are looked up."""
        self._add(gradients, rows, torch.searchsorted(tokens, self.index))

    def total(self, output: Tensor) -> Tensor:
        """The table's gradient from all rows; sparse where the embedding asks for that."""
        values = self._unpadded(output)
        if self.sparse:
            return torch.sparse_coo_tensor(
                self.index[None], values, (self.size, values.shape[1]), check_invariants=False
            )
        return values.new_zeros(self.size, values.shape[1]).index_add_(0, self.index, values)

    def products(self, direction: Tensor, output: Tensor) -> Tensor:
        """The direction's own rows, looked up."""
        return (direction[self.index] * self._unpadded(output)).sum(1)

    def _add(self, gradients: Tensor, rows: OwnedRows, index: Tensor) -> None:
        owned = rows.owner >= 0
        place = rows.owner[owned] * gradients.shape[1] + index[owned]
        gradients.flatten(0, 1).index_add_(0, place, self._unpadded(rows.values)[owned])

    def _unpadded(self, output: Tensor) -> Tensor:
        values = wide(output)
        return values if self.padding < 0 else values * (self.index != self.padding)[:, None]


@dataclass(frozen=True, eq=False)
class Convolution(Term):
    """A convolution's weight; rows are samples.

    `forward(input, weight)` and `backward(input, output gradient)` are PyTorch's own.
    """

    inputs: Tensor
    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]

    def add_to(self, gradients: Tensor, rows: OwnedRows) -> None:
        """One weight gradient a group."""
        a, b = rows.arrange(self.inputs), rows.arranged
        for group, own in rows.slices:
            gradients[group] += self.backward(wide(a[own]), wide(b[own]))

    def total(self, output: Tensor) -> Tensor:
        """The weight gradient of all samples."""
        return self.backward(wide(self.inputs), wide(output))

    def products(self, direction: Tensor, output: Tensor) -> Tensor:
        """The inputs convolved with the direction, against the output gradient."""
        return (self.forward(wide(self.inputs), direction) * wide(output)).flatten(1).sum(1)
