"""The focal task's test score of each combiner, and how it differs from averaging's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.records.compare import SINGLE_TASK, StudyManifest
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.source import Cell
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.seeds import NAN, OverSeeds, over_seeds


@dataclass(frozen=True)
class Metric:
    """The score by which combiners are compared: its field in the metrics, its name, what is better."""

    field: str
    name: str
    lower_is_better: bool

    @property
    def direction(self) -> str:
        """What a reader must know to read a difference."""
        return "lower is better" if self.lower_is_better else "higher is better"

    def improves(self, difference: float) -> bool:
        """Whether a difference from averaging is for the better."""
        return difference < 0.0 if self.lower_is_better else difference > 0.0


RAE = Metric("rae", "RAE", lower_is_better=True)
AUROC = Metric("auroc", "AUROC", lower_is_better=False)


@dataclass(frozen=True)
class CombinerScore:
    """The focal test score of one combiner: one value a finished seed, and their mean.

    `difference` is this combiner minus averaging, paired by seed; None for averaging itself.
    """

    combiner: str
    values: Mapping[int, float]
    estimate: OverSeeds
    difference: Paired | None


def focal_metric(manifest: StudyManifest) -> Metric:
    """RAE for a regression task, AUROC for a classification task."""
    kinds = {task.name: task.kind for task in manifest.tasks}
    return AUROC if kinds.get(manifest.focal) == "classification" else RAE


def scores(cells: Sequence[Cell], manifest: StudyManifest, metric: Metric) -> tuple[CombinerScore, ...]:
    """Scores of each combiner of the study over the finished cells of one encoder."""
    by_combiner = {
        name: _values([cell for cell in cells if cell.key.combiner == name], manifest.focal, metric)
        for name in in_order(manifest.combiners)
    }
    average = by_combiner.get(AVERAGE, {})
    nothing = _why_undefined(cells, manifest.focal, metric)
    return tuple(
        CombinerScore(
            combiner=name,
            values=values,
            estimate=over_seeds(list(values.values())),
            difference=None if name == AVERAGE else _against(values, average, nothing),
        )
        for name, values in by_combiner.items()
    )


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Combiners as every table and figure lists them: the focal task alone, averaging, the others."""
    first = [name for name in (SINGLE_TASK, AVERAGE) if name in names]
    return (*first, *(name for name in names if name not in first))


def _against(values: Mapping[int, float], average: Mapping[int, float], undefined: str) -> Paired:
    """The paired difference from averaging; where seeds have finished without a score, with the reason."""
    if undefined and set(values) & set(average):
        return paired_difference(values, average, nothing=undefined)
    return paired_difference(values, average)


def _why_undefined(cells: Sequence[Cell], focal: str, metric: Metric) -> str:
    """Why finished cells have no score of the focal task, in a clause; empty where all have one."""
    rows = [
        row
        for cell in cells
        for row in (cell.metrics.metrics if cell.metrics is not None else ())
        if row.task == focal and row.split == "test" and getattr(row, metric.field) is None
    ]
    if not rows:
        return ""
    reasons = join(list(dict.fromkeys(row.undefined for row in rows if row.undefined)))
    return f"{metric.name} is undefined on the test fold" + (f" ({reasons})" if reasons else "")


def _values(cells: Sequence[Cell], focal: str, metric: Metric) -> dict[int, float]:
    values = {}
    for cell in cells:
        for row in cell.metrics.metrics if cell.metrics is not None else ():
            if row.task == focal and row.split == "test":
                value = getattr(row, metric.field)
                values[cell.key.seed] = NAN if value is None or not np.isfinite(value) else float(value)
    return values
