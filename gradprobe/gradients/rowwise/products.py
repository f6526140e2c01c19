"""From inputs and owned output gradients to inner products, by whichever way is cheaper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.gradients.rowwise.rows import NOBODY, TOLERANCES, OwnedRows, wide, wide_dtype
from gradprobe.gradients.rowwise.terms import Lookup, Product, Term

# Rows of a block of the row-by-row products, and the elements of the group gradients held at a time.
_BLOCK = 256
_HELD = 1 << 24


@dataclass(frozen=True, eq=False)
class Portion:
    """One use's part of a parameter's gradient: what it saved, and whose rows came back."""

    term: Term
    rows: OwnedRows


@dataclass(frozen=True, eq=False)
class Products:
    """Inner products [g, g] of the group gradients of one parameter, in float64.

    `bound` [g] is each group's sum of its rows' lengths, squared: its squared norm if all its rows pointed
    the same way; zero for other terms than matrix products. `refined` says that products made row by row
    had lost their digits, as where rows cancel, and were formed once more in float64.
    """

    values: Tensor
    bound: Tensor
    refined: bool = False


def inner_products(portions: Sequence[Portion], shape: Sequence[int]) -> Products:
    """Inner products of the group gradients of one parameter of some shape.

    The portions are summed before the product: a weight that is used twice has one gradient.
    """
    own, bound = _wide_dtype(portions), _row_bound(portions)
    if not _by_blocks(portions):
        return Products(_from_gradients(portions, shape, own), bound)
    for dtype in dict.fromkeys((own, torch.float64)):
        total = _block_sums(portions, dtype)
        if not _loses_digits(total, bound, dtype, goal=own):
            return Products(total, bound, refined=dtype != own)
    return Products(_from_gradients(portions, shape, torch.float64), bound, refined=True)


def products_with(portions: Sequence[Portion], direction: Tensor) -> Tensor:
    """Inner products [g] of the group gradients of one parameter with a direction, in float64."""
    dense = wide(direction.to_dense() if direction.layout != torch.strided else direction)
    total = torch.zeros(portions[0].rows.groups, dtype=torch.float64, device=dense.device)
    for portion in portions:
        owner = portion.rows.owner
        each = portion.term.products(dense, portion.rows.values).double()
        total.index_add_(0, owner[owner != NOBODY], each[owner != NOBODY])
    return total


def weighted_sum(portions: Sequence[Portion], weights: Tensor) -> Tensor:
    """The sum over groups of weight times gradient, for weights [g], without any group's own gradient."""
    parts = [portion.term.total(portion.rows.scaled(weights)) for portion in portions]
    total = parts[0]
    for part in parts[1:]:
        # A sparse part adds to a dense one, not the other way round.
        total = part + total if total.layout != torch.strided else total + part
    return total


def group_gradients(portions: Sequence[Portion], shape: Sequence[int]) -> Tensor:
    """The gradient [g, *shape] of every group, summed over portions."""
    gradients = _zeros(portions, shape)
    for portion in portions:
        portion.term.add_to(gradients, portion.rows)
    return gradients


def _wide_dtype(portions: Sequence[Portion]) -> torch.dtype:
    return wide_dtype(portions[0].rows.values)


def _zeros(portions: Sequence[Portion], shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    rows = portions[0].rows
    return rows.values.new_zeros(rows.groups, *shape, dtype=dtype or _wide_dtype(portions))


def _from_gradients(portions: Sequence[Portion], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Inner products [g, g] from the group gradients, which are formed in some dtype."""
    groups = portions[0].rows.groups
    total = torch.zeros(groups, groups, dtype=torch.float64, device=portions[0].rows.values.device)
    for gradients in _gradient_parts(portions, shape, dtype):
        flat = gradients.reshape(groups, -1)
        own = flat @ flat.T
        faint = _underflows(own, dtype)
        if bool(faint.any()) and bool(flat[faint].any()):
            own = flat.double() @ flat.double().T
        total += own.double()
    # A product of float32 matrices rounds (i, j) and (j, i) apart; combiners refuse such a Gramian.
    return (total + total.T) / 2


def _loses_digits(total: Tensor, bound: Tensor, dtype: torch.dtype, *, goal: torch.dtype) -> bool:
    """Whether rounding in `dtype` spoils inner products [g, g] made row by row, by the standards of `goal`.

    They are small differences of large numbers where rows cancel. Measured errors of a squared norm are
    0.01 to 0.05 roundings of its bound.
    """
    rounding = 0.05 * torch.finfo(dtype).eps * bound
    lost = rounding > 0.3 * TOLERANCES[goal] * total.diagonal()
    return bool((lost | (_underflows(total, dtype) & (bound > 0))).any())


def _underflows(total: Tensor, dtype: torch.dtype) -> Tensor:
    """Which squared norms [g] on the diagonal are so small that squares in `dtype` may have vanished."""
    return total.diagonal() < torch.finfo(dtype).tiny * 2.0**46


def _row_bound(portions: Sequence[Portion]) -> Tensor:
    rows = portions[0].rows
    if not any(isinstance(portion.term, Product) for portion in portions):
        return torch.zeros(rows.groups, dtype=torch.float64, device=rows.values.device)
    total = torch.zeros(rows.groups + 1, dtype=torch.float64, device=rows.values.device)
    for portion in portions:
        if isinstance(portion.term, Product):
            lengths = torch.linalg.vector_norm(portion.term.inputs, dim=1, dtype=torch.float64)
            total.index_add_(0, portion.rows.owner % len(total), lengths * portion.rows.lengths)
    return total[:-1].square()


def _gradient_parts(
    portions: Sequence[Portion], shape: Sequence[int], dtype: torch.dtype
) -> Iterator[Tensor]:
    """The group gradients in parts that fit into memory, where the terms can be cut."""
    products = [(own.term, own.rows) for own in portions if isinstance(own.term, Product)]
    lookups = [(own.term, own.rows) for own in portions if isinstance(own.term, Lookup)]
    if len(products) == len(portions) and len({term.output_first for term, _ in products}) == 1:
        outputs, inputs = shape if products[0][0].output_first else reversed(shape)
        width = max(_HELD // (portions[0].rows.groups * outputs), 1)
        for start in range(0, inputs, width):
            some = min(width, inputs - start)
            size = (outputs, some) if products[0][0].output_first else (some, outputs)
            part = _zeros(portions, size, dtype)
            for product, rows in products:
                product.add_part_to(part, rows, slice(start, start + some))
            yield part
    elif len(lookups) == len(portions):
        tokens = torch.unique(torch.cat([term.index for term, _ in lookups]))
        part = _zeros(portions, (len(tokens), shape[1]))
        for lookup, rows in lookups:
            lookup.add_part_to(part, rows, tokens)
        yield part
    else:
        yield group_gradients(portions, shape)


def _by_blocks(portions: Sequence[Portion]) -> bool:
    """Whether row-by-row products cost less than group gradients, in multiplications."""
    terms = [portion.term for portion in portions]
    if not all(isinstance(term, Product) for term in terms):
        return False
    if len({term.output_first for term in terms if isinstance(term, Product)}) != 1:
        return False
    groups, outputs = portions[0].rows.groups, portions[0].rows.values.shape[1]
    inputs = next(term.inputs.shape[1] for term in terms if isinstance(term, Product))
    count = sum(len(portion.rows.owner) for portion in portions)
    blocks = count * (count + _BLOCK) / 2 * (inputs + outputs)
    grouped = count * inputs * outputs + groups * groups * inputs * outputs
    return blocks < grouped


def _block_sums(portions: Sequence[Portion], dtype: torch.dtype) -> Tensor:
    """(A A^T) * (B B^T) summed over the blocks of two groups; half of it, since it is symmetric."""
    terms = [portion.term for portion in portions]
    inputs = _joined([term.inputs for term in terms if isinstance(term, Product)], dtype)
    outputs = _joined([portion.rows.values for portion in portions], dtype)
    member = _joined([portion.rows.membership() for portion in portions], dtype)
    total = torch.zeros(member.shape[1], member.shape[1], dtype=torch.float64, device=member.device)
    for start in range(0, len(member), _BLOCK):
        end = min(start + _BLOCK, len(member))
        kernel = (inputs[start:end] @ inputs[:end].T).mul_(outputs[start:end] @ outputs[:end].T)
        # The block on the diagonal is met once, every other one stands for two.
        kernel[:, start:] *= 0.5
        block = (member[start:end].T @ (kernel @ member[:end])).double()
        total += block + block.T
    return total


def _joined(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Rows end to end in some dtype; without a copy where there is one part, of that dtype already."""
    return parts[0].to(dtype) if len(parts) == 1 else torch.cat([part.to(dtype) for part in parts])
