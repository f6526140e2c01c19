"""What may be wrong with numbers that can be read."""

from __future__ import annotations

import numpy as np

from gradprobe.data.task_labels import IntArray
from gradprobe.geometry.gramian import FloatArray

# Numbers that programs write for a missing value.
_SENTINELS = (
    -9.0,
    -99.0,
    -999.0,
    -9999.0,
    -99999.0,
    -999999.0,
    999.0,
    9999.0,
    99999.0,
    999999.0,
    -1e30,
    1e30,
)
_FEW = 10
# How far from the middle half of the values, in its widths, a number stands apart.
_APART = 5.0


def suspicions(labels: FloatArray) -> tuple[str, ...]:
    """Warnings about labels [r], NaN where missing: marks for missing, numbers that look like classes.

    >>> suspicions(np.array([1.0, -1.0, -1.0, 1.0]))
    ('its two values -1 and 1 look like classes: --classes makes them 0 and 1',)
    """
    known = labels[~np.isnan(labels)]
    if not len(known):
        return ()
    values, counts = np.unique(known, return_counts=True)
    return (*_sentinels(known, values, counts), *_classes(values, len(known)))


def _sentinels(known: FloatArray, values: FloatArray, counts: IntArray) -> list[str]:
    said = []
    for sentinel in _SENTINELS:
        place = np.flatnonzero(values == sentinel)
        if not place.size:
            continue
        others = known[~np.isin(known, _SENTINELS)]
        if len(others) < 2:
            continue
        low, high = np.quantile(others, [0.25, 0.75])
        if not low - _APART * (high - low) <= sentinel <= high + _APART * (high - low):
            said.append(
                f"{int(counts[place[0]])} labels {sentinel:g} may mean missing: then --missing {sentinel:g}"
            )
    return said


def _classes(values: FloatArray, n: int) -> list[str]:
    whole = bool(np.all(values == np.round(values)))
    if np.array_equal(values, [-1.0, 0.0]) or np.array_equal(values, [-1.0, 0.0, 1.0]):
        return ["-1 beside 0 and 1 may mean missing: then --missing -1"]
    if len(values) == 2 and n > 2 and not np.array_equal(values, [0.0, 1.0]):
        return [
            f"its two values {values[0]:g} and {values[1]:g} look like classes: --classes makes them 0 and 1"
        ]
    if whole and 3 <= len(values) <= 5 and n >= 4 * len(values) and np.ptp(values) == len(values) - 1:
        return [
            f"its {len(values)} values {values[0]:g} to {values[-1]:g} look like classes, of which gradprobe "
            "knows two: they are read as numbers"
        ]
    return []
