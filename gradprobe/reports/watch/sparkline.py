"""A series of numbers as one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], *, low: float, high: float) -> str:
    """One bar a value, from `low` to `high`, beyond which values are clipped; undefined ones are blank.

    >>> sparkline([-1.0, 0.0, float("nan"), 1.0, 7.0], low=-1.0, high=1.0)
    '▁▅ ██'
    """
    return "".join(" " if math.isnan(value) else _bar((value - low) / (high - low)) for value in values)


def _bar(share: float) -> str:
    return _BARS[min(max(int(share * len(_BARS)), 0), len(_BARS) - 1)]
