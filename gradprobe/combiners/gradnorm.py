"""GradNorm: weights that make tasks train at similar rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.options import check_number
from gradprobe.combiners.presence import PresentTasks, present_tasks
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray


@dataclass(eq=False)
class GradNorm(PresentTaskCombiner):
    """Balance gradient norms by training rates (Chen et al. 2018, Algorithm 1). It remembers earlier steps.

    Each task has a weight gamma, at first 1; together they are m. With n_i the norm of its gradient in
    the last shared layer, G_i = gamma_i n_i, and r_i the ratio of its loss to its first one over the mean
    of these ratios, the target of G_i is mean(G) r_i^alpha, held constant. After every step gamma goes
    down the gradient of sum_i |G_i - target_i|, which is n_i sign(G_i - target_i), by `rate`; negative
    ones become 0, and the sum is restored. The exponent is +alpha: a task that lags behind, with a high
    r_i, is to get a longer gradient. (Some public code has it upside down.)

    Norms are relative to the root of the sum of their squares, so that the scale of the losses does not
    matter; with the paper's own, it would set the speed of gamma. The weights returned are gamma over its
    sum, those from before this step's change, as in the paper.

    A task is balanced from its first positive, finite loss on, or against `initial`, in task order, such
    as log C for cross-entropy over C classes. Until then, and while it is missing, its gamma stays.

    Raises:
        InputError: an option out of range.
    """

    alpha: float = 1.5
    rate: float = 0.025
    initial: tuple[float, ...] | None = None
    name: ClassVar[str] = "gradnorm"
    needs_losses: ClassVar[bool] = True
    last_layer_only: ClassVar[bool] = True
    _state: dict[str, FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, low=0.0)
        check_number("rate", self.rate, low=0.0)
        for loss in self.initial or ():
            check_number("initial", loss, low=np.finfo(np.float64).tiny)

    def weights(
        self,
        gramian: FloatArray,
        *,
        focal: int = 0,
        present: BoolArray | None = None,
        losses: FloatArray | None = None,
    ) -> FloatArray:
        """Weights [m] from the last shared layer's Gramian [m, m] and the losses [m]; see `Combiner.weights`.

        Every call is a step of training: it moves gamma.

        Raises:
            InputError: no losses, or arguments that do not fit each other.
        """
        tasks = present_tasks(gramian, focal=focal, present=present)
        if losses is None or np.shape(losses) != (tasks.size,):
            shape = None if losses is None else np.shape(losses)
            raise InputError(
                f"losses: expected the losses of {tasks.size} tasks, by which gradnorm balances, got {shape}"
            )
        self._begin(tasks, np.asarray(losses, dtype=np.float64))
        weights = tasks.spread(self.combine(tasks))
        self._balance(tasks, np.asarray(losses, dtype=np.float64))
        return weights

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """The present tasks' gamma [p] over its sum; equal ones where all of it is 0."""
        gamma = self._state["gamma"][tasks.rows] if self._state else np.ones(tasks.rows.size)
        total = float(gamma.sum())
        return gamma / total if total > 0.0 else np.full(gamma.size, 1.0 / gamma.size)

    def state_dict(self) -> dict[str, Any]:
        """Gamma and the first losses, NaN where there was none yet; empty before the first step."""
        return {name: values.tolist() for name, values in self._state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: a state of something else.
        """
        if state and (state.keys() != {"gamma", "first"} or len(state["gamma"]) != len(state["first"])):
            raise InputError(f"state: expected gamma and first of equal lengths, got {sorted(state)}")
        self._state.clear()
        self._state.update({name: np.array(values, dtype=np.float64) for name, values in state.items()})

    def _begin(self, tasks: PresentTasks, losses: FloatArray) -> None:
        if not self._state:
            if self.initial is not None and len(self.initial) != tasks.size:
                raise InputError(
                    f"initial: expected {tasks.size} losses, one a task, got {len(self.initial)}"
                )
            self._state["gamma"] = np.ones(tasks.size)
            self._state["first"] = np.array(self.initial or [np.nan] * tasks.size)
        if self._state["gamma"].size != tasks.size:
            raise InputError(
                f"gramian: expected the {self._state['gamma'].size} tasks of the steps before, got "
                f"{tasks.size}; a new model needs a new gradnorm"
            )
        first = self._state["first"]
        new = [row for row in tasks.rows if np.isnan(first[row]) and 0.0 < losses[row] < np.inf]
        first[new] = losses[new]

    def _balance(self, tasks: PresentTasks, losses: FloatArray) -> None:
        first = self._state["first"][tasks.rows]
        known = np.isfinite(first) & np.isfinite(losses[tasks.rows])
        rows = tasks.rows[known]
        ratios = np.maximum(losses[rows], 0.0) / first[known]
        if rows.size < 2 or not ratios.any():
            return
        gamma = self._state["gamma"]
        slope = gamma_slope(
            gamma[rows], np.sqrt(np.diagonal(tasks.gramian)[known]), ratios / ratios.mean(), self.alpha
        )
        moved = np.maximum(gamma[rows] - self.rate * slope, 0.0)
        if moved.any():
            gamma[rows] = moved * (gamma[rows].sum() / moved.sum())


def gamma_slope(gamma: FloatArray, norms: FloatArray, rates: FloatArray, alpha: float) -> FloatArray:
    """Gradient [p] of sum_i |gamma_i n_i - target_i| in gamma, the targets held constant.

    `norms` [p] are those of the unweighted gradients, `rates` [p] the relative inverse training rates.
    """
    weighted = gamma * norms
    return np.asarray(norms * np.sign(weighted - weighted.mean() * rates**alpha))
