"""What one use of a parameter adds to its gradient, from what the use saved and its output gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gradprobe.gradients.rowwise.rows import OwnedRows, wide


class Term(Protocol):
    """One use of a parameter, whose gradient is a sum over the rows of the use's output gradient."""

    def per_group(self, rows: OwnedRows) -> Tensor:
        """The gradient [g, *shape of the parameter] of every group, in the wide dtype."""
        ...

    def total(self, output: Tensor) -> Tensor:
        """The gradient [*shape of the parameter] from all rows [r, ...] of an output gradient."""
        ...


@dataclass(frozen=True, eq=False)
class Product(Term):
    """A matrix product: inputs A [r, k] times a weight; its gradient is A^T B [k, o], or B^T A [o, k]."""

    inputs: Tensor
    output_first: bool

    def per_group(self, rows: OwnedRows) -> Tensor:
        """Grouped products, a matrix a group."""
        return self.per_group_part(rows, slice(None))

    def per_group_part(self, rows: OwnedRows, columns: slice) -> Tensor:
        """As `per_group`, for some of the k inputs only."""
        a, b = wide(rows.arrange(self.inputs)[:, columns]), wide(rows.arranged)
        left, right = (b, a) if self.output_first else (a, b)
        gradients = a.new_empty(rows.groups, left.shape[1], right.shape[1])
        for group, (start, end) in enumerate(zip(rows.bounds, rows.bounds[1:], strict=False)):
            torch.mm(left[start:end].T, right[start:end], out=gradients[group])
        return gradients

    def total(self, output: Tensor) -> Tensor:
        """One product over all rows."""
        a, b = wide(self.inputs), wide(output)
        return b.T @ a if self.output_first else a.T @ b


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

    def per_group(self, rows: OwnedRows) -> Tensor:
        """Sums over each group's slice of rows."""
        each = rows.arrange(self._per_row(rows.values))
        bounds = zip(rows.bounds, rows.bounds[1:], strict=False)
        return torch.stack([each[start:end].sum(0) for start, end in bounds]).reshape(-1, *self.shape)

    def total(self, output: Tensor) -> Tensor:
        """The sum over all rows."""
        return self._per_row(output).sum(0).reshape(self.shape)

    def _per_row(self, output: Tensor) -> Tensor:
        values = wide(output).reshape(self.output_shape)
        if self.factor is not None:
            values = values * wide(self.factor())
        values = values.flatten(0, self.lead - 1)
        broadcast = [i for i, size in enumerate(self.pattern, start=1) if size == 1 != values.shape[i]]
        return (values.sum(broadcast) if broadcast else values).flatten(1)


@dataclass(frozen=True, eq=False)
class Lookup(Term):
    """An embedding: row r of the output is row `index[r]` of the table [v, d]; padding has no gradient."""

    index: Tensor
    size: int
    padding: int
    sparse: bool

    def per_group(self, rows: OwnedRows) -> Tensor:
        """One table [v, d] a group."""
        return self._tables(rows, self.index, self.size)

    def per_group_part(self, rows: OwnedRows, tokens: Tensor) -> Tensor:
        """As `per_group`, for the given tokens [u] only, which ascend and hold all that are looked up."""
        return self._tables(rows, torch.searchsorted(tokens, self.index), len(tokens))

    def total(self, output: Tensor) -> Tensor:
        """The table's gradient from all rows; sparse where the embedding asks for that."""
        values = self._unpadded(output)
        if self.sparse:
            return torch.sparse_coo_tensor(
                self.index[None], values, (self.size, values.shape[1]), check_invariants=False
            )
        return values.new_zeros(self.size, values.shape[1]).index_add_(0, self.index, values)

    def _tables(self, rows: OwnedRows, index: Tensor, size: int) -> Tensor:
        values = self._unpadded(rows.values)
        owned = rows.owner >= 0
        place = rows.owner[owned] * size + index[owned]
        flat = values.new_zeros(rows.groups * size, values.shape[1]).index_add_(0, place, values[owned])
        return flat.reshape(rows.groups, size, -1)

    def _unpadded(self, output: Tensor) -> Tensor:
        values = wide(output)
        return values if self.padding < 0 else values * (self.index != self.padding)[:, None]


@dataclass(frozen=True, eq=False)
class Convolution(Term):
    """A convolution's weight; rows are samples. `backward(input, output gradient)` is PyTorch's own."""

    inputs: Tensor
    backward: Callable[[Tensor, Tensor], Tensor]

    def per_group(self, rows: OwnedRows) -> Tensor:
        """One weight gradient a group."""
        a, b = wide(rows.arrange(self.inputs)), wide(rows.arranged)
        bounds = zip(rows.bounds, rows.bounds[1:], strict=False)
        return torch.stack([self.backward(a[start:end], b[start:end]) for start, end in bounds])

    def total(self, output: Tensor) -> Tensor:
        """The weight gradient of all samples."""
        return self.backward(wide(self.inputs), wide(output))
