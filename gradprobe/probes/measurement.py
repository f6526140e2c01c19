"""From the group gradients of a step or a split to the records of a trace, one a geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch.optim import Optimizer

from gradprobe.geometry import BoolArray, FloatArray, Gramian, Group
from gradprobe.gradients import (
    Capture,
    JudgedCapture,
    SharedParameters,
    UndefinedDiagonalError,
    check_finite,
    check_trunk_reached,
    diagonal,
    mark_unreached,
    reach_note,
)
from gradprobe.trace import Geometry, GramianRecord, SplitName


@dataclass(frozen=True, eq=False)
class Measurement:
    """Inner products [l, g, g] of g groups in each geometry, and what is known of the groups.

    `rows` [g] count the rows behind each, `losses` [g] are their mean losses; `reached` [l, g] tells which
    layers each loss reaches. `note` says, among what the
    engine has to say, why a geometry that was asked for is missing.
    """

    groups: tuple[Group, ...]
    rows: tuple[int, ...]
    losses: FloatArray
    shared: SharedParameters
    products: Mapping[Geometry, FloatArray]
    reached: BoolArray
    engine: str
    note: str

    @classmethod
    def of(
        cls,
        capture: Capture | JudgedCapture,
        shared: SharedParameters,
        *,
        groups: Sequence[Group],
        rows: Sequence[int],
        losses: Sequence[float],
        optimizer: Optimizer | None = None,
    ) -> Measurement:
        """The products of plain gradients and, with an optimiser, of preconditioned ones.

        Raises:
            MeasurementError: no loss of the step reaches any layer.
        """
        reached = capture.reached
        check_trunk_reached(reached[:, [not group.heldout for group in groups]], shared)
        products: dict[Geometry, FloatArray] = {"plain": capture.gramian()}
        note = joined(capture.note, reach_note(reached, shared, groups))
        if optimizer is not None:
            try:
                own = capture.jacobian().preconditioned(diagonal(optimizer, shared))
                products["preconditioned"] = own.gramian()
            except UndefinedDiagonalError as reason:
                note = joined(note, f"not preconditioned, since {reason}")
        return cls(
            tuple(groups), tuple(rows), np.array(losses), shared, products, reached, capture.engine, note
        )

    def records(
        self, *, step: int, split: SplitName, epoch: int | None, how: str = "", merged: bool = False
    ) -> list[GramianRecord]:
        """A record a geometry, the plain one first; with `merged` of whole tasks.

        Raises:
            MeasurementError: a gradient is not finite.
        """
        found = []
        names = [f"{group.task}, held out" if group.heldout else group.task for group in self.groups]
        for geometry, values in self.products.items():
            check_finite(values, names, self.shared.layers)
            own = mark_unreached(values, self.reached, self.groups)
            gramian = Gramian(self.groups, self.shared.layers, own, self.rows, self.shared.counts)
            losses = gramian.merging @ self.losses if merged else self.losses
            gramian = gramian.by_task() if merged else gramian
            note = joined(how, self.note)
            found.append(
                GramianRecord(step, split, self.engine, gramian, losses, epoch, note, geometry=geometry)
            )
        return found


def joined(*notes: str) -> str:
    """Notes one after the other, empty ones left out."""
    return "; ".join(filter(None, notes))
