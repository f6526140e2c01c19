"""The table of what can be done instead of averaging."""

from __future__ import annotations

from gradprobe.records.decision import ActionLine, Predicted, Range
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, signed_two_digits, two_digits, with_span
from gradprobe.reports.statistics.seeds import NAN


def actions(summary: Summary) -> Table:
    """Every action of every encoder: predicted, trained, cost, what it rests on."""
    score = "trained" if summary.metric is None else f"trained, {summary.metric.name}"
    rows = tuple(_row(encoder.name, line) for encoder in summary.encoders for line in encoder.actions)
    return Table(
        "Actions, the most promising first",
        ("encoder", "action", "predicted", score, "time a step", "rests on"),
        rows,
        note="Predicted: reduction of the held-out focal loss beyond averaging's in the second half of its "
        "runs, to first order, over what the focal task's own gradients achieve. Predictions rank actions "
        "and do not judge them: benchmarks/decisions.py measures how well. Trained: improvement of the "
        "score over averaging, positive where better, paired by seed with a 95% interval. Time a step: "
        "over averaging's.",
        names=2,
    )


def _row(encoder: str, line: ActionLine) -> tuple[str, ...]:
    mark = " (refuted)" if line.refuted else ""
    note = "; cannot matter" if line.status else ""
    cost = ABSENT if line.relative_cost is None else two_digits(line.relative_cost)
    return (
        encoder,
        line.action,
        f"{_range(line.predicted)}{mark}",
        _range(line.trained),
        cost,
        f"{line.rests_on}{note}",
    )


def _range(found: Predicted | Range | None) -> str:
    if found is None:
        return ABSENT
    mean = found.effect if isinstance(found, Predicted) else found.mean
    low, high = (NAN if end is None else end for end in (found.low, found.high))
    return ABSENT if mean is None else with_span(mean, low, high, signed_two_digits, below=True)
