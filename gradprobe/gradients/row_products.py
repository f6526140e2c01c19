"""Every row's share in the gradient of its task, against given directions: no row's gradient is formed.

With inputs A and output gradients B of a layer, the share of row r in a direction G is `b_r^T G a_r`, summed
over the atoms, bonds or tokens of row r, over uses and over layers: the ghost dot product of In-Run Data
Shapley (Wang et al. 2024, "Data Shapley in One Training Run", section 4.2). There B is that of a summed
loss and row r's is row r; here whose row it is follows from the graph, as for tasks in the rowwise engine.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm

from gradprobe.errors import MeasurementError
from gradprobe.geometry import FloatArray
from gradprobe.gradients.half import uses_float16
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.loop import differentiate
from gradprobe.gradients.preflight import check_parameters, reentrant_names
from gradprobe.gradients.ranks import waits_for_others
from gradprobe.gradients.rowwise.graph import AutogradGraph, UnreadableNodeError, saved
from gradprobe.gradients.rowwise.memory import StructureMemory
from gradprobe.gradients.rowwise.ownership import MixedRowsError
from gradprobe.gradients.rowwise.plan import together
from gradprobe.gradients.rowwise.products import Portion, products_with
from gradprobe.gradients.rowwise.rows import OwnedRows
from gradprobe.gradients.rowwise.step import Step, unflatten
from gradprobe.gradients.rowwise.tracing import OwnersMeetError
from gradprobe.gradients.rowwise.uses import Uses, find_uses
from gradprobe.gradients.shared import SharedParameters
from gradprobe.gradients.walks import collect, reusable

Molecules = Mapping[str, Sequence[Hashable]]


@dataclass(frozen=True, eq=False)
class RowProducts:
    """Task -> inner products [b, d] of the gradient of each of its rows' losses with d directions.

    `note` says which parameters took a backward pass a row.
    """

    values: Mapping[str, FloatArray]
    note: str = ""


class RowProductEngine:
    """Two or three backward passes without weight gradients, and about one forward pass a direction.

    Tasks that have a molecule in common take turns, so a dense label matrix costs that much a task.
    Parameters with a use that the rowwise engine does not understand are measured by loop, one backward pass
    a row.
    """

    def __init__(self, *, verify_every: int = 20, seed: int = 0) -> None:
        self._memory = StructureMemory(verify_every)
        self._seed = seed

    def measure(
        self,
        losses: Mapping[str, Tensor],
        shared: SharedParameters,
        directions: Sequence[Row],
        *,
        model: nn.Module,
        molecules: Molecules | None = None,
    ) -> RowProducts:
        """Inner products of row gradients with directions, a tensor a parameter each; the graph stays usable.

        Args:
            losses: task -> one loss a row [b].
            shared: the parameters that the gradients are of.
            directions: gradients, None where a parameter has no part in one.
            model: searched for layers that mix rows where the graph does not show them.
            molecules: task -> the molecule behind each row. Tasks without a common one share their passes;
                None: each has its own.

        Raises:
            MeasurementError: a row's loss depends on other rows, so that no share is its own; or the graph
                cannot be read. Names the layer or the operation.
        """
        check_parameters(shared.parameters)
        vectors = list(losses.values())
        try:
            with reusable(vectors, shared.parameters) as nodes:
                _check_readable(nodes)
                _check_batch_norm(nodes, model, hidden=False)
                found = self._measure(losses, shared, directions, model, molecules)
                if collect():
                    raise UnreadableNodeError("a function runs a backward pass of its own")
                return found
        except MixedRowsError as reason:
            raise _refusal(
                "a layer whose output rows carry the losses of several (attention across rows, statistics of "
                f"the batch, a contrastive or ranking loss: {reason})"
            ) from reason
        except UnreadableNodeError as reason:
            raise _refusal(f"a graph that cannot be read ({reason})") from reason

    def _measure(
        self,
        losses: Mapping[str, Tensor],
        shared: SharedParameters,
        directions: Sequence[Row],
        model: nn.Module,
        molecules: Molecules | None,
    ) -> RowProducts:
        values: dict[str, FloatArray] = {}
        unread: set[int] = set()
        pending = _disjoint_sets(losses, molecules)
        while pending:
            tasks = pending.pop()
            try:
                parts, own = self._pass({task: losses[task] for task in tasks}, shared, directions, model)
            except (MixedRowsError, OwnersMeetError) as error:
                if len(tasks) == 1:
                    raise MixedRowsError(str(error)) from error
                # Molecules of other names may still be one row of the model: each task alone, then.
                pending += [[task] for task in tasks]
                continue
            values |= parts
            unread |= set(own)
        names = ", ".join(shared.names[i] for i in sorted(unread))
        note = f"attribution by loop, a backward pass a row, for {names}" if names else ""
        return RowProducts({task: values[task] for task in losses}, note)

    def _pass(
        self,
        losses: Mapping[str, Tensor],
        shared: SharedParameters,
        directions: Sequence[Row],
        model: nn.Module,
    ) -> tuple[dict[str, FloatArray], Sequence[int]]:
        """Products of the rows of some tasks that share no row, and the parameters measured by loop."""
        rows = [row for loss in losses.values() for row in loss.unbind()]
        graph = AutogradGraph.of(rows)
        uses = find_uses(graph, shared)
        if uses.unread:
            _check_batch_norm(graph.nodes, model, hidden=True)
        total = np.zeros((len(rows), len(directions)))
        if uses.known:
            total += self._ghost_products(graph, rows, uses, directions)
        total += _by_loop(rows, shared, uses.unread, directions)
        bounds = np.cumsum([loss.numel() for loss in losses.values()])[:-1]
        return dict(zip(losses, np.split(total, bounds), strict=True)), uses.unread

    def _ghost_products(
        self, graph: AutogradGraph, rows: list[Tensor], uses: Uses, directions: Sequence[Row]
    ) -> FloatArray:
        generator = np.random.default_rng(self._seed)
        step = Step(graph, rows, uses, generator)
        structure = step.structure()
        check = self._memory.is_due(structure)
        found = together(step, generator, check=check)
        if check and found.traced:
            self._memory.remember_verified(structure)
        owned = {
            output: OwnedRows(unflatten(values, output), found.owners[output], len(rows))
            for output, values in found.values.items()
        }
        total = np.zeros((len(rows), len(directions)))
        for use in uses.known:
            portion = Portion(use.term, owned[use.node, use.lead])
            for place, direction in enumerate(directions):
                gradient = direction[use.position]
                if gradient is not None:
                    total[:, place] += products_with([portion], gradient).cpu().numpy()
        return total / step.scales_of(range(len(rows)))[:, None]


def _by_loop(
    rows: Sequence[Tensor], shared: SharedParameters, positions: Sequence[int], directions: Sequence[Row]
) -> FloatArray:
    """Products [r, d] from one backward pass a row, whose gradient is dropped at once."""
    total = np.zeros((len(rows), len(directions)))
    if not positions:
        return total
    parameters = [shared.parameters[i] for i in positions]
    for place, row in enumerate(rows):
        gradient: list[Tensor | None] = [None] * len(shared.parameters)
        for position, own in zip(positions, differentiate(row, parameters), strict=True):
            gradient[position] = own
        capture = JacobianCapture([gradient], shared)
        total[place] = [float(capture.products(direction).sum()) for direction in directions]
    return total


def _disjoint_sets(losses: Mapping[str, Tensor], molecules: Molecules | None) -> list[list[str]]:
    """The tasks in sets of which no two have a molecule in common; greedily few."""
    sets: list[tuple[list[str], set[Hashable]]] = []
    for task in losses:
        own = None if molecules is None else set(molecules[task])
        free = None if own is None else next((s for s in sets if s[1].isdisjoint(own)), None)
        if free is None:
            sets.append(([task], own or set()))
        elif own is not None:
            free[0].append(task)
            free[1].update(own)
    return [tasks for tasks, _ in sets]


def _check_readable(nodes: Sequence[Node]) -> None:
    if inside := reentrant_names(nodes):
        raise UnreadableNodeError(f"{', '.join(inside)} runs a backward pass of its own")
    if waits := waits_for_others(nodes):
        raise UnreadableNodeError(f"{', '.join(waits)} waits for other processes")
    if uses_float16(nodes):
        raise UnreadableNodeError("float16 needs a loss scale of each row's own")


def _check_batch_norm(nodes: Sequence[Node], model: nn.Module, *, hidden: bool) -> None:
    """Refuse statistics of the batch: those in the graph or, `hidden`, those that a checkpoint may hide."""
    shown = any("BatchNorm" in node.name() and _uses_batch(node) for node in nodes)
    if not (shown or hidden):
        return
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
    ]
    if shown or names:
        where = f" ({', '.join(names[:3])})" if names else ""
        raise _refusal(f"batch norm in train mode{where}, where each row moves the statistics of all")


def _uses_batch(node: Node) -> bool:
    try:
        return bool(saved(node, "training"))
    except UnreadableNodeError:
        return True


def _refusal(came: str) -> MeasurementError:
    return MeasurementError(
        f"attribute: expected rows that do not depend on each other, got {came}; leave attribute= out, or "
        "use layers that keep rows apart, such as layer norm"
    )
