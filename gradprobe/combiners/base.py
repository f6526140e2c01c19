"""What the combiners share: arguments checked and missing tasks dropped, once, around the method itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from gradprobe.combiners.presence import PresentTasks, present_tasks
from gradprobe.geometry.gramian import BoolArray, FloatArray


class PresentTaskCombiner(ABC):
    """A combiner that sees the present tasks only; it satisfies the `Combiner` protocol.

    A subclass is a dataclass of its options that names itself and defines `combine`. It is frozen unless
    it remembers earlier steps, as GradNorm does.
    """

    name: ClassVar[str]
    needs_gramian: ClassVar[bool] = True
    needs_losses: ClassVar[bool] = False
    last_layer_only: ClassVar[bool] = False

    def weights(
        self,
        gramian: FloatArray,
        *,
        focal: int = 0,
        present: BoolArray | None = None,
        losses: FloatArray | None = None,  # noqa: ARG002 - part of the protocol; no method here uses losses
    ) -> FloatArray:
        """Weights [m] from a Gramian [m, m]; see `Combiner.weights`.

        Raises:
            InputError: `gramian` is not a finite, symmetric Gramian, or the other arguments do not fit it.
        """
        tasks = present_tasks(gramian, focal=focal, present=present)
        return tasks.spread(self.combine(tasks))

    @abstractmethod
    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Weights [p] of the p present tasks."""
