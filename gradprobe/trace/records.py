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
