"""The seam between what computes task gradients and all that is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.gradients.jacobian import JacobianCapture, Row
from gradprobe.gradients.shared import SharedParameters


class Capture(Protocol):
    """The group gradients of one step, in whatever form the engine keeps them.

    `engine` names what computed them, `note` says why it was not the engine that was asked.
    """

    @property
    def shared(self) -> SharedParameters:
        """The parameters that the gradients are of."""
        ...

    @property
    def engine(self) -> str:
        """The name of the engine that traces record."""
        ...

    @property
    def note(self) -> str:
        """What a reader must know about how the gradients came about; empty as a rule."""
        ...

    @property
    def reached(self) -> BoolArray:
        """Which layers each group's loss reaches [l, g]: one out of its reach has no gradient."""
        ...

    def gramian(self) -> FloatArray:
        """Inner products [l, g, g] of the group gradients, accumulated in float64; 0 where out of reach.

        Not finite where a gradient is not; `check_finite` turns that into an error.
        """
        ...

    def combined(self, weights: FloatArray) -> list[Tensor | None]:
        """The weighted sum of the group gradients, one tensor a shared parameter, for weights [g].

        None where no group's loss reaches the parameter.
        """
        ...

    def products(self, gradient: Row) -> FloatArray:
        """Inner products [l, g] of the group gradients with another gradient, a tensor a parameter."""
        ...

    def jacobian(self) -> JacobianCapture:
        """The group gradients themselves, which take as much memory as one copy of the parameters a group."""
        ...


class Engine(Protocol):
    """What turns losses into group gradients; exact, or it raises."""

    @property
    def name(self) -> str:
        """The name that traces record."""
        ...

    def capture(self, losses: Sequence[Tensor], shared: SharedParameters) -> Capture:
        """The gradients of g scalar losses on the shared parameters; the graph stays usable.

        Raises:
            MeasurementError: the losses cannot be differentiated, with the cause and the remedy.
        """
        ...
