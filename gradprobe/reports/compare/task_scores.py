"""Every test score of every task, beside the constants to beat; why one is undefined; runs cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradprobe.records.compare import MetricRow, StudyManifest
from gradprobe.reports.compare.scores import AUROC, RAE, Metric, in_order
from gradprobe.reports.compare.source import Cell
from gradprobe.reports.statistics.paired import Paired, over_paired
from gradprobe.reports.statistics.seeds import NAN, OverSeeds, over_seeds

FIELDS = (
    "n", "rae", "mae", "rmse", "r2", "spearman", "auroc", "average_precision", "mean_rae", "median_rae",
)  # fmt: skip
# The AUROC of the same probability for every molecule.
_CHANCE = 0.5


@dataclass(frozen=True)
class TaskScores:
    """The test scores of one task with one combiner over its finished seeds, by the names in `FIELDS`.

    `constant` names the better of the constants and `beyond` is the score minus that constant's, paired by
    seed; None where the runs recorded no constant. `undefined` are the reasons of seeds without a score.
    """

    combiner: str
    task: str
    kind: str
    values: Mapping[str, OverSeeds]
    constant: str
    beyond: Paired | None
    undefined: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        """RAE or AUROC."""
        return AUROC if self.kind == "classification" else RAE

    @property
    def no_better(self) -> bool:
        """Whether the mean score over seeds is no better than the better constant's."""
        known = self.beyond is not None and self.beyond.seeds > 0
        return known and self.beyond is not None and not self.metric.improves(self.beyond.mean)


def task_scores(cells: Sequence[Cell], manifest: StudyManifest) -> tuple[TaskScores, ...]:
    """The scores of each combiner and task over the finished cells of one encoder, the focal task first."""
    found = []
    for combiner in in_order(manifest.combiners):
        done = [c.metrics.metrics for c in cells if c.key.combiner == combiner and c.metrics is not None]
        for task in manifest.tasks:
            rows = [row for rows in done for row in rows if row.task == task.name and row.split == "test"]
            if rows:
                found.append(_of(combiner, task.name, task.kind, rows))
    return tuple(found)


def cut_short(cells: Sequence[Cell]) -> tuple[int, int]:
    """How many of the finished runs were best at their last epoch, and how many have finished."""
    done = [cell.metrics for cell in cells if cell.metrics is not None]
    return sum(metrics.best_epoch == metrics.epochs - 1 for metrics in done), len(done)


def _of(combiner: str, task: str, kind: str, rows: Sequence[MetricRow]) -> TaskScores:
    field = "auroc" if kind == "classification" else "rae"
    missing = [row for row in rows if getattr(row, field) is None]
    name, beyond = _beyond(kind, rows)
    return TaskScores(
        combiner=combiner,
        task=task,
        kind=kind,
        values={each: over_seeds([_value(row, each) for row in rows]) for each in FIELDS},
        constant=name,
        beyond=beyond,
        undefined=tuple(dict.fromkeys(row.undefined for row in missing if row.undefined)),
    )


def _beyond(kind: str, rows: Sequence[MetricRow]) -> tuple[str, Paired | None]:
    """The better constant over all seeds, and the score minus that constant's on each."""
    nothing = "the score is undefined on every seed"
    if kind == "classification":
        return "any constant", over_paired([_value(row, "auroc") - _CHANCE for row in rows], nothing=nothing)
    known = [row for row in rows if row.mean_rae is not None and row.median_rae is not None]
    if not known:
        return "", None
    means = {each: over_seeds([_value(row, each) for row in known]).mean for each in _CONSTANTS}
    better = min(means, key=lambda each: means[each])
    differences = [_value(row, "rae") - _value(row, better) for row in known]
    return _CONSTANTS[better], over_paired(differences, nothing=nothing)


_CONSTANTS = {"mean_rae": "the train mean", "median_rae": "the train median"}


def _value(row: MetricRow, field: str) -> float:
    value = getattr(row, field)
    return NAN if value is None else float(value)
