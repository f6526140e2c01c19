"""The engine that measures all groups at the price of one backward pass, where rows stay apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gradprobe.gradients.jacobian import JacobianCapture
from gradprobe.gradients.loop import LoopEngine, differentiate
from gradprobe.gradients.reentrant import refuse_reentrant_checkpoints
from gradprobe.gradients.rowwise.capture import RowwiseCapture
from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError
from gradprobe.gradients.rowwise.memory import StructureMemory
from gradprobe.gradients.rowwise.ownership import MixedRowsError, attribute
from gradprobe.gradients.rowwise.plan import Colour, plan
from gradprobe.gradients.rowwise.products import Portion
from gradprobe.gradients.rowwise.rows import NOBODY, OwnedRows
from gradprobe.gradients.rowwise.step import Output, Owners, Step, unflatten
from gradprobe.gradients.rowwise.uses import find_uses
from gradprobe.gradients.shared import SharedParameters


class RowwiseEngine:
    """One backward pass for all groups: a parameter's group gradients are sums over a layer's rows.

    Reads the graph of the losses as it stands, so nothing has to be prepared before the forward pass:
    every use of a parameter is found where its gradient is accumulated, together with what the use
    saved (its input) and, from one backward pass, its output gradient. Where each row of that belongs
    to one group, the Gramian and any weighted sum of gradients follow without another pass.

    Whose row it is, the rows nearest to the losses tell by two short passes (`ownership`), and all
    others by following the graph down (`tracing`), or by a second full pass where that is not
    possible. What was read off the graph is checked against a second full pass on first use of a
    model's structure and every `verify_every` captures after.

    Groups that share rows take turns, with as many passes as the most crowded rows demand. Where rows
    mix (batch statistics, attention across rows) or nothing is understood, the whole capture is the
    loop engine's, and a parameter with a use that is not understood is measured by loop alone; the
    capture's `engine` and `note` say so.

    Not seen: hooks on intermediate tensors that treat rows jointly, such as clipping; they are noticed
    when a structure is checked, not in between.
    """

    name = "rowwise"

    def __init__(self, *, verify_every: int = 20, seed: int = 0) -> None:
        self._memory = StructureMemory(verify_every)
        self._generator = np.random.default_rng(seed)

    def capture(self, losses: Sequence[Tensor], shared: SharedParameters) -> RowwiseCapture | JacobianCapture:
        """The gradients of g scalar losses on the shared parameters; the graph stays usable.

        Raises:
            MeasurementError: as the loop engine does.
        """
        refuse_reentrant_checkpoints(losses)
        try:
            return self._capture(losses, shared)
        except (UnreadableNodeError, MixedRowsError) as reason:
            note = f"loop, since {reason}"
            return dataclasses.replace(LoopEngine().capture(losses, shared), note=note)

    def _capture(self, losses: Sequence[Tensor], shared: SharedParameters) -> RowwiseCapture:
        if any(loss.grad_fn is None for loss in losses):
            raise UnreadableNodeError("a loss has no graph")
        graph = AutogradGraph.of(losses)
        uses = find_uses(graph, shared)
        if not uses.known:
            raise UnreadableNodeError("no use of a shared parameter is understood")
        step = Step(graph, list(losses), uses)
        structure = step.structure()
        if self._memory.is_known_to_mix(structure):
            raise MixedRowsError("rows mixed when this structure was last checked")
        try:
            colours = plan(step, self._generator)
            if len(colours) > 1 and uses.unread:
                raise MixedRowsError("groups share rows, and some uses of parameters are not understood")
            portions = self._measure(step, colours, structure)
        except MixedRowsError:
            self._memory.remember_mixing(structure)
            raise
        return RowwiseCapture(
            groups=len(losses),
            shared=shared,
            portions=portions,
            rest=_by_loop(losses, shared, uses.unread),
            note=_note(len(colours), shared, uses.unread),
        )

    def _measure(self, step: Step, colours: Sequence[Colour], structure: int) -> dict[int, list[Portion]]:
        """The portions of each parameter's gradient, by position, from one pass a colour or two."""
        check = self._memory.is_due(structure)
        right = True
        portions: dict[int, list[Portion]] = {}
        for own in colours:
            if own.owners is None or (check and len(own.members) > 1):
                found = attribute(
                    partial(step.rows, own.members, step.outputs), len(own.members), self._generator
                )
                values = found.values
                owners: Owners = dict(zip(step.outputs, found.owners, strict=True))
                right &= own.owners is not None and _agree(owners, own.owners)
            else:
                values, owners = step.rows(own.members, step.outputs, [1.0] * len(own.members)), own.owners
            rows = _owned(step, own.members, values, owners)
            for use in step.uses.known:
                portions.setdefault(use.position, []).append(Portion(use.term, rows[use.node, use.lead]))
        if check and right:
            self._memory.remember_verified(structure)
        return portions


def _owned(
    step: Step, members: Sequence[int], values: Sequence[Tensor], owners: Owners
) -> dict[Output, OwnedRows]:
    """The rows of each output with their owners among all groups."""
    found = {}
    for output, value in zip(step.outputs, values, strict=True):
        names = torch.tensor([*members, NOBODY], device=value.device)
        found[output] = OwnedRows(unflatten(value, output), names[owners[output]], len(step.losses))
    return found


def _agree(owners: Owners, traced: Owners) -> bool:
    """Whether every row that a group reaches was traced to that group."""
    return all(
        bool(((owner == NOBODY) | (owner == traced[output])).all()) for output, owner in owners.items()
    )


def _by_loop(
    losses: Sequence[Tensor], shared: SharedParameters, positions: Sequence[int]
) -> JacobianCapture | None:
    if not positions:
        return None
    rows = []
    for loss in losses:
        row: list[Tensor | None] = [None] * len(shared.parameters)
        found = differentiate(loss, [shared.parameters[i] for i in positions])
        for position, gradient in zip(positions, found, strict=True):
            row[position] = gradient
        rows.append(row)
    return JacobianCapture(rows, shared)


def _note(passes: int, shared: SharedParameters, unread: Sequence[int]) -> str:
    parts = [f"{passes} passes, since groups share rows"] if passes > 1 else []
    if unread:
        parts.append("loop for " + ", ".join(shared.names[i] for i in unread))
    return "; ".join(parts)
