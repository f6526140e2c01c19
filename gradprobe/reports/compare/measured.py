"""The numbers of one recorded Gramian, laid out over the tasks of the whole report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import (
    BoolArray,
    FloatArray,
    Gramian,
    Quantity,
    conflict_energy,
    conflicts,
    cosines,
    focal_cosines,
    gradient_overlap,
    norm_ratios,
)
from gradprobe.reports.statistics.seeds import NAN, mean_defined
from gradprobe.trace import GramianRecord, SplitName

NO_FOCAL = "no focal task was named"
FOCAL_MISSING = "the focal task has no label in the step"
SCALARS = (
    "cosine",
    "norm_ratio",
    "overlap",
    "conflict_energy",
    "conflict_energy_per_pair",
    "negative_fraction",
    "negative_mass",
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement over t tasks, the focal one first; whatever a missing task lacks is NaN.

    `gramian` [t, t] is zero in the rows of tasks that are not `present` [t]. `pairs` [t, t] are all
    cosines, `by_layer` [l, t-1] and `ratios` [t-1] the auxiliaries' cosines with the focal gradient and
    the focal norm over theirs. `scalars` holds the names of `SCALARS`; `reasons` says why one of them
    is NaN.
    """

    step: int
    split: SplitName
    engine: str
    gramian: FloatArray
    present: BoolArray
    pairs: FloatArray
    by_layer: FloatArray
    ratios: FloatArray
    scalars: Mapping[str, float]
    reasons: Mapping[str, str]


def measure(record: GramianRecord, tasks: Sequence[str], *, focal: str) -> Measured:
    """Everything the report reads off one record; `tasks` names the focal task first, if there is one."""
    gramian = record.gramian.by_task()
    place = {task: position for position, task in enumerate(tasks)}
    rows = np.array([place[task] for task in gramian.tasks], dtype=np.intp)
    present = np.zeros(len(tasks), dtype=np.bool_)
    present[rows] = True
    total = gramian.total
    by_layer, ratios, against_focal = _against_focal(gramian, tasks, focal)
    scalars = against_focal | _over_all(total)
    return Measured(
        step=record.step,
        split=record.split,
        engine=record.engine,
        gramian=_spread(total, rows, len(tasks), 0.0),
        present=present,
        pairs=_spread(cosines(total).values, rows, len(tasks), NAN),
        by_layer=by_layer,
        ratios=ratios,
        scalars={name: value for name, (value, _) in scalars.items()},
        reasons={name: reason for name, (value, reason) in scalars.items() if np.isnan(value)},
    )


def _over_all(total: FloatArray) -> dict[str, tuple[float, str]]:
    energy, per_pair = conflict_energy(total)
    return {
        "overlap": _scalar(gradient_overlap(total)),
        "conflict_energy": _scalar(energy),
        "conflict_energy_per_pair": _scalar(per_pair),
    }


def _against_focal(
    gramian: Gramian, tasks: Sequence[str], focal: str
) -> tuple[FloatArray, FloatArray, dict[str, tuple[float, str]]]:
    by_layer = np.full((len(gramian.layers), max(len(tasks) - 1, 0)), NAN)
    ratios = np.full(by_layer.shape[1], NAN)
    names = ("cosine", "norm_ratio", "negative_fraction", "negative_mass")
    if focal not in gramian.tasks:
        return by_layer, ratios, dict.fromkeys(names, (NAN, FOCAL_MISSING if focal else NO_FOCAL))
    row = gramian.tasks.index(focal)
    columns = [tasks.index(task) - 1 for task in gramian.tasks if task != focal]
    by_layer[:, columns] = focal_cosines(gramian.values, row).values
    ratio = norm_ratios(gramian.total, row)
    ratios[columns] = ratio.values
    cosine = focal_cosines(gramian.total, row)
    found = conflicts(gramian.total, row)
    return (
        by_layer,
        ratios,
        {
            "cosine": (float(mean_defined(cosine.values)), found.reason),
            "norm_ratio": (geometric_mean(ratio.values), ratio.reason or "the focal gradient is zero"),
            "negative_fraction": (found.fraction, found.reason),
            "negative_mass": (found.mass, found.reason),
        },
    )


def geometric_mean(ratios: Iterable[float]) -> float:
    """Geometric mean of the positive ratios; NaN where there are none.

    Ratios average in logarithms: 1/2 and 2 average to 1. A zero gradient has no ratio to average.

    >>> geometric_mean([0.5, 2.0, float("nan"), 0.0])
    1.0
    """
    positive = [ratio for ratio in ratios if ratio > 0.0]
    return float(np.exp(np.mean(np.log(positive)))) if positive else NAN


def _scalar(quantity: Quantity) -> tuple[float, str]:
    return float(quantity), quantity.reason


def _spread(values: FloatArray, rows: np.ndarray, size: int, fill: float) -> FloatArray:
    spread = np.full((size, size), fill)
    spread[np.ix_(rows, rows)] = values
    return spread
