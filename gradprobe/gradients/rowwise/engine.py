"""The engine that measures all groups at the price of one backward pass, where rows stay apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gradprobe.geometry import FloatArray
from gradprobe.gradients.half import uses_float16
from gradprobe.gradients.jacobian import JacobianCapture
from gradprobe.gradients.loop import LoopEngine, differentiate
from gradprobe.gradients.preflight import check_parameters, reentrant_names
from gradprobe.gradients.ranks import waits_for_others
from gradprobe.gradients.rowwise.capture import CancellingRowsError, RowwiseCapture
from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError
from gradprobe.gradients.rowwise.memory import StructureMemory
from gradprobe.gradients.rowwise.ownership import MixedRowsError
from gradprobe.gradients.rowwise.plan import Pass, make_passes
from gradprobe.gradients.rowwise.products import Portion
from gradprobe.gradients.rowwise.rows import NOBODY, OwnedRows
from gradprobe.gradients.rowwise.step import Output, Step, unflatten
from gradprobe.gradients.rowwise.uses import find_uses
from gradprobe.gradients.shared import SharedParameters
from gradprobe.gradients.walks import collect, reusable


class RowwiseEngine:
    """One backward pass for all groups: a parameter's group gradients are sums over a layer's rows.

    Reads the graph of the losses as it stands, so nothing has to be prepared before the forward pass:
    every use of a parameter is found where its gradient is accumulated, together with what the use
    saved (its input) and, from one backward pass, its output gradient. Where each row of that belongs
    to one group, the Gramian and any weighted sum of gradients follow without another pass.

    Whose row it is, is read off the graph (`tracing`): from the losses down to the rows nearest to them,
    and from there on. Where the graph does not tell, the nearest rows are told apart by a short second pass
    (`ownership`), the others by a full one. What was read off the graph is checked against such passes on
    first use of a model's structure, or of a loss's, and every `verify_every` captures after.

    Groups that share rows take turns, with as many passes as the most crowded rows demand; where every
    group has to go alone, as where rows mix (attention across rows), this is a loop without its weight
    gradients. A parameter with a use that is not understood is measured by loop; so is everything
    where turns would take more passes than groups, or where nothing is understood. The capture's
    `engine` and `note` say so.

    Not seen: hooks on intermediate tensors that treat rows jointly, such as clipping; they are noticed
    when a structure is checked, not in between.
    """

    name = "rowwise"

    def __init__(self, *, verify_every: int = 20, seed: int = 0) -> None:
        self._memory = StructureMemory(verify_every)
        self._seed = seed

    def capture(self, losses: Sequence[Tensor], shared: SharedParameters) -> RowwiseCapture | JacobianCapture:
        """The gradients of g scalar losses on the shared parameters; the graph stays usable.

        Raises:
            MeasurementError: as the loop engine does.
        """
        check_parameters(shared.parameters)
        try:
            with reusable(losses, shared.parameters) as nodes:
                inside = reentrant_names(nodes)
                if inside:
                    raise UnreadableNodeError(f"{', '.join(inside)} runs a backward pass of its own")
                if waits := waits_for_others(nodes):
                    raise UnreadableNodeError(f"{', '.join(waits)} waits for other processes")
                capture = self._capture(losses, shared, AutogradGraph(tuple(nodes)))
                if collect():
                    raise UnreadableNodeError("a function runs a backward pass of its own")
                return capture
        except (UnreadableNodeError, MixedRowsError, CancellingRowsError) as reason:
            instead = LoopEngine().capture(losses, shared)
            note = "; ".join(filter(None, (f"loop, since {reason}", instead.note)))
            return dataclasses.replace(instead, note=note)

    def _capture(
        self, losses: Sequence[Tensor], shared: SharedParameters, graph: AutogradGraph
    ) -> RowwiseCapture:
        if any(loss.grad_fn is None for loss in losses):
            raise UnreadableNodeError("a loss has no graph")
        if uses_float16(graph.nodes):
            raise UnreadableNodeError("float16 needs a loss scale of each task's own")
        uses = find_uses(graph, shared)
        if not uses.known:
            raise UnreadableNodeError("no use of a shared parameter is understood")
        # Drawn anew in every capture, so that the same losses are measured alike, bit for bit.
        generator = np.random.default_rng(self._seed)
        step = Step(graph, list(losses), uses, generator)
        structure = step.structure()
        if self._memory.is_known_to_mix(structure):
            raise MixedRowsError("rows mixed when this structure was last checked")
        try:
            passes = self._make_passes(step, structure, generator)
        except MixedRowsError:
            self._memory.remember_mixing(structure)
            raise
        capture = RowwiseCapture(
            shared=shared,
            portions=_portions(step, passes),
            scales=_scales(step, passes),
            reached=step.reached(shared),
            rest=_by_loop(losses, shared, uses.unread),
            how=_note(len(passes), shared, uses.unread),
        )
        capture.check_rows_do_not_cancel()
        return capture

    def _make_passes(self, step: Step, structure: int, generator: np.random.Generator) -> list[Pass]:
        check = self._memory.is_due(structure)
        crowded = self._memory.is_crowded(structure)
        above = step.structures_above()
        known = self._memory.is_front_known(above)
        passes = make_passes(step, generator, check=check, crowded=crowded, front_known=known)
        if any(own.front_read for own in passes):
            self._memory.remember_front(above)
        self._memory.remember_crowd(structure, crowded=len(passes) > 1)
        if len(passes) > 1 and step.uses.unread:
            raise MixedRowsError("groups share rows, and some uses of parameters are not understood")
        if check and all(own.traced for own in passes):
            self._memory.remember_verified(structure)
        return passes


def _scales(step: Step, passes: Sequence[Pass]) -> FloatArray:
    """What every group's loss was multiplied by in its pass [g]."""
    scales = np.ones(len(step.losses))
    for own in passes:
        scales[list(own.members)] = step.scales_of(own.members)
    return scales


def _portions(step: Step, passes: Sequence[Pass]) -> dict[int, list[Portion]]:
    """By parameter position, what every pass left of each of its uses."""
    portions: dict[int, list[Portion]] = {}
    for own in passes:
        owned = {output: _owned(step, own, output) for output in step.outputs}
        for use in step.uses.known:
            portion = Portion(use.term, owned[use.node, use.lead])
            portions.setdefault(use.position, []).append(portion)
    return portions


def _owned(step: Step, own: Pass, output: Output) -> OwnedRows:
    """The rows of an output in one pass, with their owners among all groups."""
    values = own.values[output]
    names = torch.tensor([*own.members, NOBODY], device=values.device)
    return OwnedRows(unflatten(values, output), names[own.owners[output]], len(step.losses))


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
