"""Task gradients over a whole split, summed batch by batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gradprobe.geometry import Group
from gradprobe.gradients.engine import Engine
from gradprobe.gradients.jacobian import JacobianCapture
from gradprobe.gradients.loop import LoopEngine
from gradprobe.gradients.outputs import OutputAxis, output_axes
from gradprobe.gradients.shared import SharedParameters


class JacobianSum:
    """Running sums of per-group gradients, each divided by its own label count at the end.

    The gradient of a task's mean loss over a split is `sum_b n_b g_b / sum_b n_b` with the task's own
    counts; the mean of batch gradients is another number. Takes O(m n) memory.
    """

    def __init__(
        self, shared: SharedParameters, engine: Engine | None = None, *, find_outputs: bool = False
    ) -> None:
        self._find_outputs = find_outputs
        self._shared = shared
        self._engine: Engine = LoopEngine() if engine is None else engine
        self._sums: dict[Group, list[Tensor | None]] = {}
        self._counts: dict[Group, int] = {}
        self._losses: dict[Group, float] = {}
        # What measured the batches, in the order of first use.
        self._engines: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self._outputs: dict[int, OutputAxis] = {}

    def add(self, batch: Mapping[Group, tuple[Tensor, int]]) -> None:
        """Add one batch: for each group its summed loss and the number of rows behind it.

        Raises:
            MeasurementError: a loss cannot be differentiated.
        """
        if not batch:
            return
        losses = [loss for loss, _ in batch.values()]
        capture = self._engine.capture(losses, self._shared)
        self._outputs.update(output_axes(losses, self._shared) if self._find_outputs else {})
        self._engines[capture.engine] = None
        self._notes.update({capture.note: None} if capture.note else {})
        for (group, (loss, count)), gradients in zip(batch.items(), capture.jacobian().rows, strict=True):
            sums = self._sums.setdefault(group, [None] * len(gradients))
            for position, gradient in enumerate(gradients):
                if gradient is not None:
                    sums[position] = _add(sums[position], gradient)
            self._counts[group] = self._counts.get(group, 0) + count
            self._losses[group] = self._losses.get(group, 0.0) + loss.item()

    @property
    def outputs(self) -> Mapping[int, OutputAxis]:
        """Where weights have their outputs, if that was to be found, for `find_trunk`."""
        return self._outputs

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups seen so far, in the order of their first batch."""
        return tuple(self._sums)

    @property
    def counts(self) -> tuple[int, ...]:
        """The rows of each group."""
        return tuple(self._counts.values())

    @property
    def losses(self) -> tuple[float, ...]:
        """The mean loss of each group."""
        return tuple(self._losses[group] / self._counts[group] for group in self._sums)

    def capture(self) -> JacobianCapture:
        """The gradients of the mean losses."""
        rows = [
            [None if entry is None else entry / self._counts[group] for entry in sums]
            for group, sums in self._sums.items()
        ]
        return JacobianCapture(rows, self._shared, "+".join(self._engines), "; ".join(self._notes))


def _add(total: Tensor | None, gradient: Tensor) -> Tensor:
    """Sums live in at least float32: bfloat16 would stop counting after a few hundred batches."""
    dense = gradient.to_dense() if gradient.layout != torch.strided else gradient
    wide = dense.detach().to(torch.promote_types(dense.dtype, torch.float32))
    # The first sum may be the engine's own tensor, so it is never added to in place.
    return wide if total is None else total + wide
