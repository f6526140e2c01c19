"""Which similarity goes with test accuracy: rank correlations over the runs of a depth study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from gradprobe.geometry import FloatArray
from gradprobe.reports.depth.records import DepthRun, Signal, course, grid

LEVEL = 0.95
RESAMPLES = 2000
FEWEST_CELLS = 6

Moment = Literal["at the start", "at the end"]
Place = Literal["end of the way", "mean over layers"]
Measure = Literal["mu", "relative mu"]
MOMENTS: tuple[Moment, ...] = ("at the end", "at the start")
PLACES: tuple[Place, ...] = ("end of the way", "mean over layers")
MEASURES: tuple[Measure, ...] = ("mu", "relative mu")


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % bootstrap interval; NaN where undefined."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True)
class Comparison:
    """Rank correlations (Spearman's) of gradient and representation similarity with test accuracy.

    `advantage` is |gradient| - |representation|: above zero where the gradient predicts better. `runs`
    in `cells` (a depth and an architecture) have both similarities; NaN with a `reason` where that
    is too few or where one is constant.
    """

    measure: Measure
    place: Place
    moment: Moment
    gradient: Interval
    representation: Interval
    advantage: Interval
    runs: int
    cells: int
    reason: str = ""


def compare(
    runs: Sequence[DepthRun], *, measure: Measure, place: Place, moment: Moment, seed: int = 0
) -> Comparison:
    """Test the source's claim that gradient similarity predicts test accuracy better, on all runs.

    Similarity is read where the signal ends its way, at the first layer for gradients and at the last
    hidden one for representations, or averaged over hidden layers (mu geometrically). Runs of one
    depth and architecture differ by their seeds alone and are not independent pieces of evidence: the
    bootstrap draws whole cells, `RESAMPLES` times.
    """
    signals: tuple[Signal, ...] = ("gradient", "representation")
    values = np.array(
        [[*(similarity(run, signal, measure, place, moment) for signal in signals), run.test] for run in runs]
    ).reshape(-1, 3)
    known = ~np.isnan(values).any(axis=1)
    cells = _cells([run for run, ok in zip(runs, known, strict=True) if ok])
    values = values[known]
    reason = _reason(values, len(cells))
    gradient, representation, advantage = (
        [_UNKNOWN] * 3 if reason else _bootstrap(values, cells, _statistics, seed)
    )
    return Comparison(
        measure=measure,
        place=place,
        moment=moment,
        gradient=gradient,
        representation=representation,
        advantage=advantage,
        runs=len(values),
        cells=len(cells),
        reason=reason,
    )


def depth_alone(runs: Sequence[DepthRun], *, seed: int = 0) -> Interval:
    """Rank correlation of test accuracy with the number of layers, which any similarity has to beat."""
    values = np.array([(run.key.layers, run.test) for run in runs]).reshape(-1, 2)
    cells = _cells(runs)
    if _reason(values, len(cells)):
        return _UNKNOWN
    return _bootstrap(values, cells, lambda rows: [_spearman(rows[:, 0], rows[:, 1])], seed)[0]


def similarity(run: DepthRun, signal: Signal, measure: Measure, place: Place, moment: Moment) -> float:
    """One number for a run; infinite mu where a norm overflowed, NaN where undefined."""
    found = course(run, signal)
    row = 0 if moment == "at the start" else -1
    relative, norm = grid(found.relative)[row], grid(found.norm)[row]
    hidden = slice(0, max(len(norm) - 1, 1))
    if measure == "relative mu":
        values = relative[hidden]
    else:
        zero = norm == 0
        values = np.where(np.isnan(norm), np.inf, np.where(zero, 0.0, norm * relative))[hidden]
    if place == "end of the way":
        return float(values[0 if signal == "gradient" else -1])
    if measure == "relative mu":
        return float(np.mean(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.log(values)))


_UNKNOWN = Interval(np.nan, np.nan, np.nan)


def _cells(runs: Sequence[DepthRun]) -> list[list[int]]:
    """The places of the runs of each depth and architecture."""
    places: dict[tuple[int, str], list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault((run.key.layers, run.key.variant), []).append(place)
    return list(places.values())


def _reason(values: FloatArray, cells: int) -> str:
    if cells < FEWEST_CELLS:
        return f"fewer than {FEWEST_CELLS} depths and architectures with both similarities"
    if any(len(set(column.tolist())) < 2 for column in values.T):
        return "a similarity or the accuracy is the same in all runs"
    return ""


def _statistics(rows: FloatArray) -> list[float]:
    gradient, representation = _spearman(rows[:, 0], rows[:, 2]), _spearman(rows[:, 1], rows[:, 2])
    return [gradient, representation, abs(gradient) - abs(representation)]


def _spearman(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one side is constant."""
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (first, second)]
    size = np.sqrt(np.sum(ranks[0] ** 2) * np.sum(ranks[1] ** 2))
    return float(ranks[0] @ ranks[1] / size) if size > 0 else float("nan")


def _bootstrap(
    values: FloatArray, cells: list[list[int]], statistics: Callable[[FloatArray], list[float]], seed: int
) -> list[Interval]:
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = generator.integers(len(cells), size=len(cells))
        drawn.append(statistics(values[np.concatenate([cells[i] for i in chosen])]))
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.nanquantile(np.array(drawn), tails, axis=0)
    return [
        Interval(value, float(a), float(b)) for value, a, b in zip(statistics(values), low, high, strict=True)
    ]
