"""Averages that skip what is undefined, over steps and then over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray

MAX_POINTS = 60
NAN = float("nan")


@dataclass(frozen=True)
class OverSeeds:
    """Mean over seeds of one number a seed, with the lowest and the highest seed.

    `seeds` counts the seeds where it is defined; NaN throughout where there are none.
    """

    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Band:
    """A quantity over training: mean over seeds, lowest and highest seed, at each of p steps.

    `width` steps were averaged into one point, which stands at their mean; 1: every step measured.
    """

    steps: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    width: int = 1


def mean_defined(values: FloatArray, axis: int = 0) -> FloatArray:
    """Mean over an axis, skipping NaN; NaN where nothing is defined.

    >>> mean_defined(np.array([[1.0, np.nan], [3.0, np.nan]]))
    array([ 2., nan])
    """
    defined = ~np.isnan(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Mean, lowest and highest of one value a seed; undefined ones are skipped.

    >>> over_seeds([1.0, 3.0, float("nan")])
    OverSeeds(mean=2.0, low=1.0, high=3.0, seeds=2)
    """
    defined = [value for value in values if not np.isnan(value)]
    if not defined:
        return OverSeeds(NAN, NAN, NAN, 0)
    return OverSeeds(float(np.mean(defined)), min(defined), max(defined), len(defined))


def band(by_seed: Sequence[Mapping[int, float]]) -> Band:
    """The course over training of step -> value for each seed.

    It runs from where the last seed starts to where the first one ends, so that every point averages the
    same seeds and a mean never jumps because one has ended. A seed without a value at a step in between has
    the one on the straight line between its neighbours; one without any value is left out. Beyond
    `MAX_POINTS` steps, neighbouring steps are averaged within each seed first.
    """
    courses = [
        course
        for seed in by_seed
        if (course := {step: value for step, value in sorted(seed.items()) if not np.isnan(value)})
    ]
    first, last = max(map(min, courses), default=0), min(map(max, courses), default=-1)
    steps = sorted({step for course in courses for step in course if first <= step <= last})
    width = -(-len(steps) // MAX_POINTS)
    bins = [steps[start : start + width] for start in range(0, len(steps), max(width, 1))]
    points = [over_seeds([_mean_at(course, chosen) for course in courses]) for chosen in bins]
    return Band(
        steps=tuple(float(np.mean(chosen)) for chosen in bins),
        mean=tuple(point.mean for point in points),
        low=tuple(point.low for point in points),
        high=tuple(point.high for point in points),
        width=max(width, 1),
    )


def _mean_at(course: Mapping[int, float], steps: Sequence[int]) -> float:
    own = [course[step] for step in steps if step in course]
    return float(np.mean(own) if own else np.interp(np.mean(steps), list(course), list(course.values())))
