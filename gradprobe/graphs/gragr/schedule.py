"""When gradient reasoning is on: the adaptive schedule (14)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gradprobe.errors import InputError


@dataclass
class PlateauGate:
    """Opens where the base loss improved by at most `threshold` in an epoch, from epoch `warmup` on (eq. 14).

    Literally so by default: a rise of the loss opens it too, and it closes again as soon as the loss
    falls faster. `patience` asks for that many plateau epochs in a row; `latch` keeps it open for good.
    A loss that is NaN, or has no predecessor, opens nothing.

    Raises:
        InputError: a warm-up or patience below its range.
    """

    threshold: float = 0.01
    warmup: int = 0
    patience: int = 1
    latch: bool = False
    _previous: float = field(default=math.nan, init=False)
    _run: int = field(default=0, init=False)
    _opened: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.patience < 1:
            raise InputError(
                "schedule: expected warmup >= 0 and patience >= 1, got "
                f"warmup={self.warmup} and patience={self.patience}"
            )

    def update(self, epoch: int, base_loss: float) -> bool:
        """Whether reasoning is on, given the base path's loss of `epoch`; epochs are counted from 1.

        The loss must come from the base path while the gate is open too, or its own effect would move it.
        """
        plateau = self._previous - base_loss <= self.threshold  # False where either is NaN
        self._previous = base_loss
        self._run = self._run + 1 if plateau else 0
        is_open = self._run >= self.patience and epoch >= self.warmup
        self._opened = self._opened or is_open
        return self._opened if self.latch else is_open
