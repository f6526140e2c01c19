"""The gradients of a step's groups and, after them, that of rows which had a pass of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.gradients.engine import Capture
from gradprobe.gradients.jacobian import JacobianCapture


@dataclass(frozen=True, eq=False)
class JudgedCapture:
    """The capture of a step, as it is without them, beside the gradient of held-out rows."""

    step: Capture
    judge: JacobianCapture

    @property
    def engine(self) -> str:
        """The engine of the step."""
        return self.step.engine

    @property
    def note(self) -> str:
        """The note of the step."""
        return self.step.note

    @property
    def reached(self) -> BoolArray:
        """Which layers each loss reaches [l, g + 1], the held-out one last."""
        return np.hstack([self.step.reached, self.judge.reached])

    def gramian(self) -> FloatArray:
        """Inner products [l, g + 1, g + 1]; those of the g groups are the step's own, bit for bit."""
        beside = self.step.products(self.judge.rows[0])[:, :, None]
        return np.block([[self.step.gramian(), beside], [beside.transpose(0, 2, 1), self.judge.gramian()]])

    def jacobian(self) -> JacobianCapture:
        """The gradients themselves, the held-out one last."""
        step = self.step.jacobian()
        return JacobianCapture([*step.rows, *self.judge.rows], step.shared, step.engine, step.note)
