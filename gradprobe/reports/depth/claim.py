"""Which similarity goes with test accuracy: rank correlations over the runs of a depth study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.records.depth import DepthRun, Signal, course, grid
from gradprobe.reports.statistics.ranks import (
    FEWEST_UNITS,
    UNKNOWN,
    BootstrapInterval,
    interval_of,
    redrawn,
    spearman,
)

Moment = Literal["at the start", "at the end"]
Place = Literal["end of the way", "mean over layers"]
Measure = Literal["mu", "relative mu"]
MOMENTS: tuple[Moment, ...] = ("at the end", "at the start")
PLACES: tuple[Place, ...] = ("end of the way", "mean over layers")
MEASURES: tuple[Measure, ...] = ("mu", "relative mu")


@dataclass(frozen=True)
class SimilarityComparison:
    """Rank correlations (Spearman's) of gradient and representation similarity with test accuracy.

    `advantage` is |gradient| - |representation|: above zero where the gradient predicts better. `runs`
    in `cells` (a depth and an architecture) have both similarities; NaN with a `reason` where that
    is too few or where one is constant.
    """

    measure: Measure
    place: Place
    moment: Moment
    gradient: BootstrapInterval
    representation: BootstrapInterval
    advantage: BootstrapInterval
    runs: int
    cells: int
    reason: str = ""


def compare(
    runs: Sequence[DepthRun], *, measure: Measure, place: Place, moment: Moment, seed: int = 0
) -> SimilarityComparison:
    """Test the source's claim that gradient similarity predicts test accuracy better, on all runs.

    Similarity is read where the signal ends its way, at the first layer for gradients and at the last
    hidden one for representations, or averaged over hidden layers (mu geometrically). Runs of one
    depth and architecture differ by their seeds alone and are not independent pieces of evidence: the
    bootstrap draws whole cells.
    """
    signals: tuple[Signal, ...] = ("gradient", "representation")
    values = np.array(
        [[*(similarity(run, signal, measure, place, moment) for signal in signals), run.test] for run in runs]
    ).reshape(-1, 3)
    known = ~np.isnan(values).any(axis=1)
    cells = _cells([run for run, ok in zip(runs, known, strict=True) if ok])
    values = values[known]
    reason = _reason(values, cells)
    found = [UNKNOWN] * 3
    if not reason:
        weights = redrawn(cells, seed=seed)
        gradient, representation = (spearman(values[:, i], values[:, 2], weights) for i in (0, 1))
        advantage = np.abs(gradient) - np.abs(representation)
        found = [interval_of(drawn) for drawn in (gradient, representation, advantage)]
    return SimilarityComparison(
        measure=measure,
        place=place,
        moment=moment,
        gradient=found[0],
        representation=found[1],
        advantage=found[2],
        runs=len(values),
        cells=len(set(cells)),
        reason=reason,
    )


def depth_alone(runs: Sequence[DepthRun], *, seed: int = 0) -> BootstrapInterval:
    """Rank correlation of test accuracy with the number of layers, which any similarity has to beat."""
    values = np.array([(run.key.layers, run.test) for run in runs]).reshape(-1, 2)
    cells = _cells(runs)
    if _reason(values, cells):
        return UNKNOWN
    return interval_of(spearman(values[:, 0], values[:, 1], redrawn(cells, seed=seed)))


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


def _cells(runs: Sequence[DepthRun]) -> list[int]:
    """The number of each run's cell: its depth and architecture."""
    numbers: dict[tuple[int, str], int] = {}
    return [numbers.setdefault((run.key.layers, run.key.variant), len(numbers)) for run in runs]


def _reason(values: FloatArray, cells: list[int]) -> str:
    if len(set(cells)) < FEWEST_UNITS:
        return f"fewer than {FEWEST_UNITS} depths and architectures with both similarities"
    if any(len(set(column.tolist())) < 2 for column in values.T):
        return "a similarity or the accuracy is the same in all runs"
    return ""
