"""What a user can do instead of averaging, as factors on the auxiliaries' weights.

The focal task's weight stays what it is under averaging. So an action says how much of each auxiliary's
gradient to add to the focal task's step, and nothing about how long that step is: on disjoint parameters
no action changes anything. Under Adam, which divides by the length of recent updates, that is also what
training does with a constant factor on all weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.decision import Trials, Weigh, reweighted
from gradprobe.geometry.gramian import FloatArray

Factors = Callable[[Trials], FloatArray]


@dataclass(frozen=True)
class Action:
    """An action by name; `factors` gives [k, m] for k trials, how many times averaging's weight a task has.

    A NaN row is an update that the action leaves undefined.
    """

    name: str
    factors: Factors


def drop(tasks: Sequence[str]) -> Action:
    """Train without these auxiliaries.

    >>> drop(["CAR"]).name
    'drop CAR'
    """
    names = tuple(tasks)

    def factors(trials: Trials) -> FloatArray:
        strange = [task for task in names if task not in trials.tasks or task == trials.tasks[trials.focal]]
        if strange or not names:
            raise InputError(f"tasks: expected auxiliaries among {list(trials.tasks)}, got {list(names)}")
        kept = np.array([float(task not in names) for task in trials.tasks])
        return np.broadcast_to(kept, trials.present.shape)

    return Action(f"drop {', '.join(names)}", factors)


def focal_alone() -> Action:
    """Train the focal task without any auxiliary."""

    def factors(trials: Trials) -> FloatArray:
        return np.broadcast_to(np.eye(len(trials.tasks))[trials.focal], trials.present.shape)

    return Action("focal alone", factors)


def focal_share(share: float) -> Action:
    """Reweighted averaging: this share of the weights for the focal task, the rest alike (0 < share <= 1).

    A step without rows of the focal task is averaging's, as `reweighted` has it.

    Raises:
        InputError: a share of which the focal task's weight cannot be kept.
    """
    if not 0.0 < share <= 1.0:
        raise InputError(f"share: expected a number above 0 and at most 1, got {share}")
    return Action(f"focal share {share:g}", lambda trials: _factors(trials, reweighted(trials, share)))


def combine(name: str, weigh: Weigh) -> Action:
    """Let a combiner set the weights of every update, chosen from the minibatch's own Gramian.

    Undefined where it gives the focal task no positive weight, since nothing then keeps the focal task's
    own step. A step without rows of the focal task keeps the sum of its weights.
    """
    return Action(name, lambda trials: _factors(trials, trials.weights(weigh)))


def _factors(trials: Trials, weights: FloatArray) -> FloatArray:
    """Weights [k, m] over averaging's, scaled so that the focal task's factor is one."""
    relative = weights * trials.present.sum(axis=1, keepdims=True)
    own = relative[:, trials.focal]
    total = np.abs(weights).sum(axis=1)
    scale = np.where(trials.present[:, trials.focal], own, total)
    factors = np.divide(
        relative, scale[:, None], out=np.full(weights.shape, np.nan), where=scale[:, None] > 0.0
    )
    return np.where(trials.present, factors, 1.0)
