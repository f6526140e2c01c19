"""All test scores: of the focal task beside the constants to beat, and of the auxiliaries."""

from __future__ import annotations

from collections.abc import Iterator

from gradprobe.reports.compare.scores import AUROC, Metric
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.compare.task_scores import TaskScores
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, cell, number, ranged, signed
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.paired import Paired

_NOTE = "Means over seeds; second line: lowest to highest seed."
_REGRESSION = {"mae": "MAE", "rmse": "RMSE", "r2": "R2", "spearman": "Spearman"}
_CONSTANTS = {"mean_rae": "RAE of the train mean", "median_rae": "RAE of the train median"}
_AUXILIARIES = {
    "rae": "RAE", **_REGRESSION, "auroc": "AUROC", "average_precision": "average precision",
}  # fmt: skip


def focal_scores(summary: Summary, metric: Metric) -> Table:
    """The other scores of the focal task, its test labels, and how far it is from the better constant."""
    fields = {"average_precision": "average precision"} if metric == AUROC else {**_REGRESSION, **_CONSTANTS}
    unit = _unit(summary, summary.focal)
    against = f"{metric.name} minus {'the 0.5 of a constant' if metric == AUROC else 'the better constant'}"
    return Table(
        title=f"All scores of {summary.focal}, test fold",
        columns=(
            "encoder",
            "combiner",
            "test labels",
            *(_in_unit(name, field, unit) for field, name in fields.items()),
            against,
        ),
        rows=tuple(
            (
                encoder.name,
                own.combiner,
                _labels(own),
                *(_shown(own, field) for field in fields),
                ABSENT if own.beyond is None or not own.beyond.seeds else cell(own.beyond, signed),
            )
            for encoder, own in _scores(summary)
            if own.task == summary.focal
        ),
        note=f"{_NOTE} The last column is paired by seed, with its 95% t interval.",
        names=2,
    )


def auxiliary_scores(summary: Summary) -> Table:
    """The scores of every auxiliary."""
    found = [(encoder, own) for encoder, own in _scores(summary) if own.task != summary.focal]
    fields = [field for field in _AUXILIARIES if any(own.values[field].seeds for _, own in found)]
    return Table(
        title="Scores of the auxiliaries, test fold",
        columns=(
            "auxiliary",
            "encoder",
            "combiner",
            "unit",
            "test labels",
            *(_AUXILIARIES[field] for field in fields),
        ),
        rows=tuple(
            (
                own.task,
                encoder.name,
                own.combiner,
                _unit(summary, own.task),
                _labels(own),
                *(_shown(own, field) for field in fields),
            )
            for encoder, own in found
        ),
        note=f"{_NOTE} MAE and RMSE are in the task's unit.",
        names=4,
        folded=True,
    )


def score_remarks(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What to know before comparing scores: undefined, no better than a constant, cut short."""
    return tuple(
        (encoder.name, " ".join(said)) for encoder in summary.encoders if (said := [*_said(summary, encoder)])
    )


def no_better_than_a_constant(summary: Summary, encoder: EncoderSummary) -> str:
    """The combiners whose mean score is no better than a constant's, in a sentence; empty without any."""
    bad = [own for own in encoder.task_scores if own.task == summary.focal and own.no_better]
    if not bad:
        return ""
    said = [f"{own.combiner} ({_beyond(own, own.beyond)})" for own in bad if own.beyond is not None]
    return (
        f"No better than a constant: {join(said)}. The mean over seeds is not better than that of "
        "the better of train mean and train median on the same molecules."
        if bad[0].metric != AUROC
        else f"No better than a constant: {join(said)}. A constant has an AUROC of 0.5."
    )


def _beyond(own: TaskScores, found: Paired) -> str:
    against = "0.5" if own.metric == AUROC else own.constant
    return f"{own.metric.name} {ranged(found, signed)} against {against}"


def why_no_score(summary: Summary, otherwise: str) -> str:
    """Why no focal score can be drawn: `otherwise` where none was computed, else why it is undefined."""
    focal = [own for _, own in _scores(summary) if own.task == summary.focal]
    if not focal or any(own.values[own.metric.field].seeds for own in focal):
        return otherwise
    name = focal[0].metric.name
    reasons = dict.fromkeys(reason for own in focal for reason in own.undefined)
    return f"{name} is undefined on every finished seed" + (
        f": {join([_in_fold(reason) for reason in reasons])}." if reasons else "."
    )


def _said(summary: Summary, encoder: EncoderSummary) -> Iterator[str]:
    undefined: dict[str, list[str]] = {}
    for own in encoder.task_scores:
        for reason in own.undefined if own.task == summary.focal else ():
            clause = f"{own.metric.name} is undefined where {_in_fold(reason)}"
            undefined.setdefault(clause, []).append(own.combiner)
    for clause, names in undefined.items():
        yield f"{clause}: {join(names)}."
    if sentence := no_better_than_a_constant(summary, encoder):
        yield sentence
    late, done = encoder.cut_short
    if late:
        yield (
            f"Under-trained: {late} of {done} finished runs were best at their last epoch; more epochs may "
            "change every score here."
        )


def _in_fold(reason: str) -> str:
    """A reason as a clause.

    >>> _in_fold("no positives"), _in_fold("all labels are equal")
    ('the test fold has no positives', 'all labels are equal')
    """
    return f"the test fold has {reason}" if reason.startswith("no ") else reason


def _scores(summary: Summary) -> Iterator[tuple[EncoderSummary, TaskScores]]:
    for encoder in summary.encoders:
        for own in encoder.task_scores:
            yield encoder, own


def _labels(own: TaskScores) -> str:
    n = own.values["n"]
    return f"{n.low:.0f}" if n.low == n.high else f"{n.low:.0f} to {n.high:.0f}"


def _shown(own: TaskScores, field: str) -> str:
    return cell(own.values[field], number) if own.values[field].seeds else ABSENT


def _in_unit(name: str, field: str, unit: str) -> str:
    return f"{name}, {unit}" if unit and field in ("mae", "rmse") else name


def _unit(summary: Summary, task: str) -> str:
    """The unit that the header of a column or its cells decided; empty where none is known."""
    tasks = summary.audit.tasks if summary.audit is not None else ()
    return next((entry.unit for entry in tasks if entry.task == task), "")
