"""Effects of rows, folded into sums per molecule before they are written."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.trace import JUDGES, Geometry, MoleculeRecord, Trace

# A record is due after this many visits, or this share of those written already: a run of n visits to k
# molecules then leaves about k log(n) / log(1 + share) entries, and a killed one loses at most that share.
_VISITS = 4096
_SHARE = 0.25


class MoleculeSums:
    """Adds up visits, effects and their squares by task and molecule; now and then they go into a trace.

    What is pending goes there with `flush`.
    """

    def __init__(self, trace: Trace, *, probability: float, geometry: Geometry) -> None:
        self._trace = trace
        self._probability = probability
        self._geometry = geometry
        self._written = self._visits = 0
        self._at: tuple[int, int | None] = (-1, None)
        self._places: dict[tuple[str, str], int] = {}
        self._heldout: set[Hashable] = set()
        self._heldout_rows = self._heldout_steps = 0
        self._values: FloatArray = np.zeros((256, len(JUDGES), 3))

    def add(
        self,
        effects: Mapping[str, FloatArray],
        names: Mapping[str, Sequence[str]],
        *,
        heldout: Sequence[Hashable] | None,
        step: int,
        epoch: int | None,
    ) -> None:
        """Add a step's effects [b, j] by task on each of `JUDGES`, NaN where there is none."""
        if heldout:
            self._heldout.update(heldout)
            self._heldout_rows += len(heldout)
            self._heldout_steps += 1
        self._at = (step, epoch)
        for task, own in effects.items():
            places = [self._places.setdefault((task, name), len(self._places)) for name in names[task]]
            self._grow()
            known = ~np.isnan(own)
            filled = np.where(known, own, 0.0)
            np.add.at(self._values, places, np.stack([known, filled, filled**2], axis=-1))
            self._visits += len(places)
        if self._visits >= max(_VISITS, _SHARE * self._written):
            self.flush()

    def flush(self) -> None:
        """Append what is pending to the trace."""
        if not self._places:
            return
        tasks, molecules = zip(*self._places, strict=True)
        step, epoch = self._at
        record = MoleculeRecord(
            step=step,
            split="minibatch",
            tasks=tasks,
            molecules=molecules,
            values=self._values[: len(tasks)].copy(),
            probability=self._probability,
            turns=self._turns(),
            epoch=epoch,
            geometry=self._geometry,
        )
        self._trace.append(record)
        self._written += self._visits
        self._visits = 0
        self._places.clear()
        self._values[:] = 0.0

    def _turns(self) -> float:
        """The held-out rows of a step, over all distinct ones so far."""
        if not self._heldout_steps:
            return 1.0
        return self._heldout_rows / self._heldout_steps / len(self._heldout)

    def _grow(self) -> None:
        if len(self._places) > len(self._values):
            more = np.zeros((2 * len(self._places), *self._values.shape[1:]))
            more[: len(self._values)] = self._values
            self._values = more
