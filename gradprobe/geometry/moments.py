"""The second moments that Adam would have had under each action.

Adam divides by the root of the mean square of recent updates. An action that changes the update changes
that divisor, and with it the focal task's own step wherever tasks share parameters. These moments follow
candidates from the gradients of measured steps alone, in averaging's run: they see how long each candidate's
updates are, not where they would have led.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """Mean squares [c, n] of the updates of c candidates on n parameters, after `updates` measured steps.

    Costs `c * n` numbers of memory, so 8 c n bytes: measure few candidates on a large trunk.
    """

    values: FloatArray
    updates: int
    decay: float
    epsilon: float

    @classmethod
    def start(
        cls, candidates: int, parameters: int, *, beta: float = 0.999, epsilon: float = 1e-8, every: int = 1
    ) -> SecondMoments:
        """Moments before the first measured step, of an Adam with `beta` (its second) and `epsilon`.

        A measured step stands for `every` steps, over which Adam forgets `beta ** every`.

        Raises:
            InputError: a beta outside [0, 1).
        """
        if not 0.0 <= beta < 1.0:
            raise InputError(f"beta: expected a number from 0 up to but not 1, got {beta}")
        return cls(np.zeros((candidates, parameters)), 0, beta**every, epsilon)

    def after(self, gradients: FloatArray, weights: FloatArray) -> SecondMoments:
        """The moments after a step with task gradients [m, n] and each candidate's weights [c, m]."""
        # A plain sum over tasks: a candidate's update on parameters that only the focal task reaches is then
        # bit for bit averaging's.
        updates = sum(weights[:, [task]] * gradients[task] for task in range(len(gradients)))
        values = self.decay * self.values + (1.0 - self.decay) * updates**2
        return SecondMoments(values, self.updates + 1, self.decay, self.epsilon)

    def products(self, gradients: FloatArray, heldout: FloatArray) -> FloatArray:
        """`<g_i, D_c g_H>` [c, m] of task gradients [m, n] with a held-out one [n] by each candidate's D.

        `D = 1 / (sqrt(v / (1 - decay ** updates)) + epsilon)` (Kingma & Ba 2015, algorithm 1).

        Raises:
            InputError: no step was seen yet.
        """
        if self.updates == 0:
            raise InputError(
                "moments: expected at least one step before products, got none; call after() first"
            )
        diagonal = 1.0 / (np.sqrt(self.values / (1.0 - self.decay**self.updates)) + self.epsilon)
        return np.array([[(g * d * heldout).sum() for g in gradients] for d in diagonal])
