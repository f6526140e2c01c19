"""What one measurement leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradprobe.geometry import FloatArray, Gramian

SplitName = Literal["minibatch", "train", "heldout"]
Geometry = Literal["plain", "preconditioned"]


@dataclass(frozen=True, eq=False)
class GramianRecord:
    """One measured Gramian.

    `losses` [g] are the mean losses behind the groups, NaN where a group's loss was not given.
    `engine` names what computed the Gramian, `note` says anything a reader must know about how
    (why the loop engine was used, say). `epoch` is None where the caller named none. `geometry` is
    `"preconditioned"` for inner products `<g_i, D g_j>` with the diagonal D of the optimiser.
    """

    step: int
    split: SplitName
    engine: str
    gramian: Gramian
    losses: FloatArray
    epoch: int | None = None
    note: str = ""
    geometry: Geometry = "plain"


# Whose loss an effect is on: held-out rows of the focal task, two disjoint halves of them, the same rows with
# random signs (their noise), and its rows of the minibatch.
JUDGES = ("H", "A", "B", "N", "F")


@dataclass(frozen=True, eq=False)
class MoleculeRecord:
    """What molecules did to the focal loss, summed over the measured steps since the last such record.

    Entry k is molecule `molecules[k]` in task `tasks[k]`. `values` [k, j, 3] are its visits, the sum of its
    effects and that of their squares, on each of the losses in `JUDGES`: the focal task's held-out rows, the
    halves A and B of them, the same rows with a random sign each, drawn anew at every step, and its rows of
    the minibatch. An effect is the first-order reduction of that
    loss by the molecule's part of the step: positive helps. It holds the task's weight over its number of
    rows and, in the geometry `"preconditioned"`, learning rate and diagonal of the optimiser; in `"plain"`,
    it is that of gradient descent with learning rate one. `step` is the last one in the sums; `probability`
    is that of a step to be measured, `turns` the held-out rows of a step over all distinct ones so far.
    Records of a run add up.
    """

    step: int
    split: SplitName
    tasks: tuple[str, ...]
    molecules: tuple[str, ...]
    values: FloatArray
    probability: float = 1.0
    turns: float = 1.0
    epoch: int | None = None
    geometry: Geometry = "plain"


@dataclass(frozen=True)
class QuantityRecord:
    """One measured number that is not read off a Gramian, such as an effective rank.

    `value` is NaN where undefined, and `reason` then says why.
    """

    step: int
    split: SplitName
    name: str
    value: float
    epoch: int | None = None
    layer: str = ""
    task: str = ""
    reason: str = ""
