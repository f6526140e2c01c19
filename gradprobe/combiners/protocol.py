"""What every combiner offers to a training loop."""

from __future__ import annotations

from typing import Protocol

from gradprobe.geometry.gramian import BoolArray, FloatArray


class Combiner(Protocol):
    """Turns the Gramian of m task gradients into m weights."""

    @property
    def name(self) -> str:
        """The name under which `get` knows it."""

    @property
    def needs_gramian(self) -> bool:
        """Whether the weights depend on the Gramian's values; where False, a Gramian of zeros will do."""

    @property
    def needs_losses(self) -> bool:
        """Whether the weights depend on the losses of this step and those before it."""

    @property
    def last_layer_only(self) -> bool:
        """Whether `weights` takes the Gramian of the trunk's last layer, not the sum over its layers."""

    def weights(
        self,
        gramian: FloatArray,
        *,
        focal: int = 0,
        present: BoolArray | None = None,
        losses: FloatArray | None = None,
    ) -> FloatArray:
        """Weights [m] of the m task gradients whose inner products are `gramian` [m, m].

        `present` [m] is False for tasks without a label in this batch: they drop out before anything
        is computed and get weight 0. `losses` [m] are the tasks' current losses, for methods that use
        them.

        Raises:
            InputError: `gramian` is not a finite, symmetric Gramian, or the other arguments do not fit it.
        """
