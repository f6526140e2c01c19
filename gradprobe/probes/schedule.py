"""Which calls of a probe measure: one in so many, or each with a probability."""

from __future__ import annotations

import numpy as np

from gradprobe.errors import InputError


class Schedule:
    """Says before each call whether it measures.

    One call in `every`, the first included, or each with probability `sample`, drawn from a generator of its
    own. A batch comes round every epoch, so that every so-manyth call may always meet the same rows; draws
    do not, and each row counts with the inverse of the same probability.

    Raises:
        InputError: `every` is no count, `sample` is no probability, or both are given.
    """

    def __init__(self, *, every: int = 1, sample: float | None = None, seed: int = 0) -> None:
        if not isinstance(every, int) or every < 1:
            raise InputError(f"every: expected a count from 1 on, got {every!r}")
        number = isinstance(sample, int | float) and not isinstance(sample, bool)
        if sample is not None and not (number and 0.0 < sample <= 1.0):
            raise InputError(f"sample: expected a probability above 0 and up to 1, got {sample!r}")
        if sample is not None and every != 1:
            raise InputError(f"sample: expected either every= or sample=, got every={every} and {sample}")
        self._every = every
        self._sample = None if sample is None else float(sample)
        self._generator = np.random.default_rng([seed, 1])
        self._calls = 0
        self.due = self._draw()

    @property
    def probability(self) -> float:
        """The probability of a step to be measured; of every so-manyth, their share."""
        return 1.0 / self._every if self._sample is None else self._sample

    def advance(self) -> None:
        """Go on to the next call."""
        self._calls += 1
        self.due = self._draw()

    def _draw(self) -> bool:
        if self._sample is None:
            return self._calls % self._every == 0
        return bool(self._generator.random() < self._sample)
