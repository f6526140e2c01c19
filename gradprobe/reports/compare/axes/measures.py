"""The numbers of one cell that axes and claims speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradprobe.geometry import FoldProducts, Gramian, corrected_cosines, focal_cosines, gradient_overlap
from gradprobe.records.claims import MEASURES
from gradprobe.reports.compare.corrected import in_folds, minibatches
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.compare.source import Cell
from gradprobe.reports.statistics.seeds import NAN, mean_defined
from gradprobe.trace import SplitName, Trace

# How tables and figures call each measure.
NAMES: Mapping[str, str] = {
    "error": "focal test error",
    "minibatch": "minibatch cosine",
    "minibatch_corrected": "minibatch cosine, corrected for noise",
    "train": "train cosine",
    "train_corrected": "train cosine, corrected for noise",
    "heldout": "held-out cosine",
    "heldout_corrected": "held-out cosine, corrected for noise",
    "train_before": "train cosine before training",
    "heldout_before": "held-out cosine before training",
    "rank": "effective rank",
    "overlap": "gradient overlap",
}


def measures_of(cell: Cell, metric: Metric, focal: str) -> dict[str, float]:
    """Every measure in `MEASURES` of a finished cell; NaN where it was not measured or is undefined.

    Cosines are those of the focal gradient with an auxiliary's, mean over auxiliaries; corrected ones leave
    out auxiliaries whose signal cannot be told from noise. Minibatch cosines are averaged over the measured
    steps from 0 on. Train and held-out numbers are those of the last measurement, before the best epoch is
    restored, or of the one before training. `overlap` is the mean absolute cosine of all pairs on the train
    fold, `rank` the effective rank of the representation of held-out molecules, `error` the focal RAE, or one
    minus the AUROC, on the test fold.
    """
    found = dict.fromkeys(MEASURES, NAN)
    if cell.state != "finished":
        return found
    found["error"] = _error(cell, metric, focal)
    if cell.trace is not None:
        found |= {name: of(cell.trace, focal) for name, of in _OF_TRACE.items()}
    return found


def _error(cell: Cell, metric: Metric, focal: str) -> float:
    rows = cell.metrics.metrics if cell.metrics is not None else ()
    values = [getattr(row, metric.field) for row in rows if row.task == focal and row.split == "test"]
    value = NAN if not values or values[0] is None else float(values[0])
    return value if metric.lower_is_better else 1.0 - value


def _minibatch(trace: Trace, focal: str) -> float:
    return _mean([_cosine(gramian, focal) for gramian in minibatches(trace)])


def _minibatch_corrected(trace: Trace, focal: str) -> float:
    window = [gramian for gramian in minibatches(trace) if in_folds(gramian)]
    if not any(focal in gramian.tasks and len(gramian.tasks) > 1 for gramian in window):
        return NAN
    found = corrected_cosines(FoldProducts.of(window), focal=focal)
    return _mean(np.where(found.trusted, found.cosines.values, NAN).tolist())


def _on_fold(
    split: SplitName, of: Callable[[Gramian, str], float], *, before: bool = False
) -> Callable[[Trace, str], float]:
    def measured(trace: Trace, focal: str) -> float:
        records = [
            record for record in trace.gramians if record.split == split and (record.step < 0) == before
        ]
        return of(records[-1].gramian, focal) if records else NAN

    return measured


def _cosine(gramian: Gramian, focal: str) -> float:
    """The mean cosine of the focal gradient with an auxiliary's, of the trunk as a whole."""
    by_task = gramian.by_task()
    if focal not in by_task.tasks:
        return NAN
    return _mean(focal_cosines(by_task.total, by_task.tasks.index(focal)).values.tolist())


def _corrected(gramian: Gramian, focal: str) -> float:
    """The same from products of different halves of the molecules, in which noise cancels."""
    place = {(group.task, group.fold): row for row, group in enumerate(gramian.groups)}
    total, tasks = gramian.total, dict.fromkeys(group.task for group in gramian.groups)
    halves = {t: (place[t, "A"], place[t, "B"]) for t in tasks if {(t, "A"), (t, "B")} <= place.keys()}
    if focal not in halves:
        return NAN
    (a, b), own = halves.pop(focal), []
    for other_a, other_b in halves.values():
        squares = total[a, b] * total[other_a, other_b]
        positive = total[a, b] > 0.0 and total[other_a, other_b] > 0.0
        product = (total[a, other_b] + total[b, other_a]) / 2.0
        own.append(product / np.sqrt(squares) if positive else NAN)
    return _mean(own)


def _overlap(gramian: Gramian, focal: str) -> float:  # noqa: ARG001 - all pairs
    return float(gradient_overlap(gramian.by_task().total))


def _rank(trace: Trace, focal: str) -> float:  # noqa: ARG001 - of the representation
    found = [r.value for r in trace.quantities if r.name == "effective_rank" and r.split == "heldout"]
    return found[-1] if found else NAN


def _mean(values: Sequence[float]) -> float:
    return float(mean_defined(np.asarray(values, dtype=np.float64))) if len(values) else NAN


_OF_TRACE: Mapping[str, Callable[[Trace, str], float]] = {
    "minibatch": _minibatch,
    "minibatch_corrected": _minibatch_corrected,
    "train": _on_fold("train", _cosine),
    "train_corrected": _on_fold("train", _corrected),
    "heldout": _on_fold("heldout", _cosine),
    "heldout_corrected": _on_fold("heldout", _corrected),
    "train_before": _on_fold("train", _cosine, before=True),
    "heldout_before": _on_fold("heldout", _cosine, before=True),
    "rank": _rank,
    "overlap": _on_fold("train", _overlap),
}
