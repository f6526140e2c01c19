"""One step's graph, and the output gradients that are wanted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.gradients.rowwise.graph import AutogradGraph, output_gradients, shape, structure_above
from gradprobe.gradients.rowwise.ownership import find_owners
from gradprobe.gradients.rowwise.rows import NOBODY
from gradprobe.gradients.rowwise.tracing import UntraceableError, follow, follow_from_losses
from gradprobe.gradients.rowwise.uses import Uses
from gradprobe.gradients.shared import SharedParameters

# A node's output with its first `lead` dimensions taken as rows.
Output = tuple[Node, int]
Owners = Mapping[Output, Tensor]


@dataclass(frozen=True, eq=False)
class Front:
    """Outputs near the losses, whose rows' owners are found by short passes.

    Whatever else more than one loss reaches is reached through `lowest` only.
    """

    outputs: tuple[Output, ...]
    lowest: tuple[Output, ...]


class Step:
    """The uses of shared parameters in one step, and backward passes to their outputs.

    A pass over several groups multiplies each loss by a random number: see `ownership`.
    """

    def __init__(
        self, graph: AutogradGraph, losses: list[Tensor], uses: Uses, generator: np.random.Generator
    ) -> None:
        self.losses = losses
        self.uses = uses
        # Between one and two, with as many binary places as the losses hold exactly.
        steps = 1 << (20 if all(torch.finfo(loss.dtype).bits >= 32 for loss in losses) else 7)
        self._scales: FloatArray = 1.0 + generator.integers(steps, size=len(losses)) / steps
        self.outputs: list[Output] = list(dict.fromkeys((use.node, use.lead) for use in uses.known))
        self._graph = graph
        self._reach = graph.reached_by(losses)
        self._contested = {output for output in self.outputs if self._reach[output[0]].bit_count() > 1}

    def reached(self, shared: SharedParameters) -> BoolArray:
        """Which layers each loss reaches [l, g]."""
        reached = np.zeros((len(shared.layers), len(self.losses)), dtype=np.bool_)
        for layer, parameter in zip(shared.layer_of, shared.parameters, strict=True):
            node = self._graph.leaves.get(id(parameter))
            losses = 0 if node is None else self._reach[node]
            reached[layer] |= [bool(losses >> i & 1) for i in range(len(self.losses))]
        return reached

    def structure(self) -> int:
        """A number that is equal for steps of the same operations, connected alike, below the first front."""
        return self._graph.structure_below(node for node, _ in self.front(0).outputs)

    @cached_property
    def _first_front(self) -> Front:
        return self._front(0)

    def front(self, depth: int) -> Front:
        """The outputs that more than one loss reaches first; with depth 1 also those next in line; ..."""
        return self._front(depth) if depth else self._first_front

    def _front(self, depth: int) -> Front:
        lowest = self._first_of(self._contested)
        outputs = lowest
        for _ in range(depth):
            lowest = self._first_of(self._contested - set(outputs))
            outputs = outputs + lowest
        return Front(outputs, lowest)

    def scales_of(self, groups: Sequence[int]) -> FloatArray:
        """What a pass over some groups multiplies their losses by."""
        return self._scales[list(groups)] if len(groups) > 1 else np.ones(1)

    def rows(
        self, groups: Sequence[int], outputs: Sequence[Output], factors: Sequence[float] | None = None
    ) -> list[Tensor]:
        """The output gradients of some groups' scaled losses as rows [r, d]; one backward pass.

        `factors` multiply the losses once more; a group with factor zero is left out. A group alone is
        not scaled: its pass is then the loop's own, also where a hook makes it anything but linear.
        """
        nodes = list(dict.fromkeys(node for node, _ in outputs))
        scales = self.scales_of(groups) * (1.0 if factors is None else np.array(factors))
        gradients = output_gradients([self.losses[i] for i in groups], nodes, scales.tolist())
        found = dict(zip(nodes, gradients, strict=True))
        return [_flatten(found[node], node, lead) for node, lead in outputs]

    def find_owners(
        self, groups: Sequence[int], plain: Mapping[Output, Tensor], generator: np.random.Generator
    ) -> Owners:
        """The owners [r] of the rows of some outputs, by place among the groups, from further passes.

        Raises:
            MixedRowsError: some row carries the loss of more than one group.
        """
        if not plain:
            return {}
        run = partial(self.rows, groups, list(plain))
        found = find_owners(list(plain.values()), run, len(groups), generator)
        return dict(zip(plain, found, strict=True))

    def read_owners(self, front: Front, values: Mapping[Output, Tensor]) -> Owners | None:
        """The owners [r] of a front's rows [r, d] among all groups, as the graph tells them, zeros unowned.

        None where it does not tell, or where rows that it says nothing of are not zero.
        """
        a_loss_in_another = any(
            loss.grad_fn and self._reach[loss.grad_fn].bit_count() > 1 for loss in self.losses
        )
        if a_loss_in_another or any(lead != 1 for _, lead in front.outputs):
            return None
        try:
            found = follow_from_losses(self._graph, self._reach, {node for node, _ in front.outputs})
        except UntraceableError:
            return None
        owners = {}
        for output in front.outputs:
            silent, owner = ~values[output].ne(0).any(1), found[output[0]]
            if bool((owner.eq(NOBODY) & ~silent).any()):
                return None
            owners[output] = owner.masked_fill(silent, NOBODY)
        return owners

    def structures_above(self) -> set[int]:
        """A number for each way in which a loss is made from the first front."""
        ends = {node for node, _ in self.front(0).outputs}
        return {structure_above(loss, ends) for loss in self.losses}

    def trace(self, members: Sequence[int], front: Front, known: Owners) -> Owners:
        """The owners [r] of the rows of all outputs, by place among the members, as the graph tells them.

        Raises:
            OwnersMeetError, UntraceableError: it does not.
        """
        if len(members) == 1:
            return {output: self._all_owned_by(0, output) for output in self.outputs}
        if any(lead != 1 for _, lead in front.lowest):
            raise UntraceableError("rows are more than the first dimension")
        owners = follow(self._graph, {output[0]: known[output] for output in front.lowest})
        return {output: self._owner(output, members, known, owners) for output in self.outputs}

    def _owner(
        self, output: Output, members: Sequence[int], known: Owners, owners: Mapping[Node, Tensor]
    ) -> Tensor:
        node, lead = output
        if output in known:
            return known[output]
        if output not in self._contested:
            group = self._reach[node].bit_length() - 1
            return self._all_owned_by(members.index(group) if group in members else NOBODY, output)
        return owners[node].repeat_interleave(shape(node)[1:lead].numel())

    def _all_owned_by(self, place: int, output: Output) -> Tensor:
        node, lead = output
        device = node._input_metadata[0].device
        return torch.full((shape(node)[:lead].numel(),), place, dtype=torch.long, device=device)

    def _first_of(self, outputs: set[Output]) -> tuple[Output, ...]:
        first = set(self._graph.first_among({node for node, _ in outputs}, self.losses))
        return tuple(output for output in self.outputs if output[0] in first)


def unflatten(rows: Tensor, output: Output) -> Tensor:
    """Rows [r, d] in the shape [r, ...] that a node's output has behind its row dimensions."""
    node, lead = output
    return rows.reshape(len(rows), *shape(node)[lead:])


def _flatten(gradient: Tensor | None, node: Node, lead: int) -> Tensor:
    if gradient is None:
        metadata = node._input_metadata[0]
        gradient = torch.zeros(metadata.shape, dtype=metadata.dtype, device=metadata.device)
    return gradient.flatten(0, lead - 1).flatten(1) if gradient.dim() > lead else gradient.reshape(-1, 1)
