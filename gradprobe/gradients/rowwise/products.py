"""From inputs and owned output gradients to inner products, by whichever way is cheaper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradprobe.gradients.rowwise.rows import NOBODY, OwnedRows, wide
from gradprobe.gradients.rowwise.terms import Lookup, Product, Term

# Rows of a block of the row-by-row products, and the elements of the group gradients held at a time.
_BLOCK = 256
_HELD = 1 << 24


@dataclass(frozen=True, eq=False)
class Portion:
    """One use's part of a parameter's gradient: what it saved, and whose rows came back."""

    term: Term
    rows: OwnedRows


def inner_products(portions: Sequence[Portion], shape: Sequence[int]) -> Tensor:
    """Inner products [g, g] of the group gradients of one parameter of some shape, in float64.

    The portions are summed before the product: a weight that is used twice has one gradient.
    """
    groups = portions[0].rows.groups
    total = torch.zeros(groups, groups, dtype=torch.float64, device=portions[0].rows.values.device)
    if _by_blocks(portions):
        return total.add_(_block_sums(portions))
    for gradients in _gradient_parts(portions, shape):
        flat = gradients.reshape(groups, -1)
        total += (flat @ flat.T).double()
    # A product of float32 matrices rounds (i, j) and (j, i) apart; combiners refuse such a Gramian.
    return (total + total.T) / 2


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


def _zeros(portions: Sequence[Portion], shape: Sequence[int]) -> Tensor:
    rows = portions[0].rows
    return wide(rows.values.new_empty(0)).new_zeros(rows.groups, *shape)


def _gradient_parts(portions: Sequence[Portion], shape: Sequence[int]) -> Iterator[Tensor]:
    """The group gradients in parts that fit into memory, where the terms can be cut."""
    products = [(own.term, own.rows) for own in portions if isinstance(own.term, Product)]
    lookups = [(own.term, own.rows) for own in portions if isinstance(own.term, Lookup)]
    if len(products) == len(portions) and len({term.output_first for term, _ in products}) == 1:
        outputs, inputs = shape if products[0][0].output_first else reversed(shape)
        width = max(_HELD // (portions[0].rows.groups * outputs), 1)
        for start in range(0, inputs, width):
            some = min(width, inputs - start)
            part = _zeros(portions, (outputs, some) if products[0][0].output_first else (some, outputs))
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


def _block_sums(portions: Sequence[Portion]) -> Tensor:
    """(A A^T) * (B B^T) summed over the blocks of two groups; half of it, since it is symmetric."""
    inputs = _joined([portion.term.inputs for portion in portions if isinstance(portion.term, Product)])
    outputs = _joined([portion.rows.values for portion in portions])
    member = _joined([portion.rows.membership() for portion in portions])
    total = torch.zeros(member.shape[1], member.shape[1], dtype=torch.float64, device=member.device)
    for start in range(0, len(member), _BLOCK):
        end = min(start + _BLOCK, len(member))
        kernel = (inputs[start:end] @ inputs[:end].T).mul_(outputs[start:end] @ outputs[:end].T)
        # The block on the diagonal is met once, every other one stands for two.
        kernel[:, start:] *= 0.5
        block = (member[start:end].T @ (kernel @ member[:end])).double()
        total += block + block.T
    return total


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Rows end to end in the wide dtype; without a copy where there is one part that is wide already."""
    return wide(parts[0]) if len(parts) == 1 else torch.cat([wide(part) for part in parts])
