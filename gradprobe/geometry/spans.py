"""Which steps of a run to read a decision off.

What foretells a run's end differs between its parts: gradients of the first steps share one direction that
later ones do not. benchmarks/decisions.py measures how well each span foretells trained effects.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray
from gradprobe.geometry.intervals import IntArray


class Span(StrEnum):
    """A part of a run up to its best validation epoch: first quarter, second half, or all of it."""

    EARLY = "early"
    LATE = "late"
    WHOLE = "whole"


def window_of_steps(steps: IntArray, span: Span, *, best: int | None = None) -> BoolArray:
    """Which of the numbered `steps` [t] are in a span of the run.

    `best` is the last step of the best validation epoch: what was trained afterwards is thrown away. None:
    the last of `steps`. Steps before training (-1) are in none.

    Raises:
        InputError: no step, or none up to `best`.

    >>> window_of_steps(np.arange(0, 100, 20), Span.LATE, best=80).tolist()
    [False, False, True, True, True]
    """
    numbers = np.asarray(steps)
    end = int(numbers.max(initial=-1)) if best is None else best
    trained = (numbers >= 0) & (numbers <= end)
    if not trained.any():
        raise InputError(f"steps: expected at least one between 0 and {end}, got {numbers.tolist()[:5]}")
    if span is Span.EARLY:
        return np.asarray(trained & (numbers < (end + 1) / 4))
    return np.asarray(trained & (numbers >= end / 2)) if span is Span.LATE else np.asarray(trained)
