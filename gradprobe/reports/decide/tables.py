"""The tables of a decision."""

from __future__ import annotations

from gradprobe.records.decision import ActionLine, Decision, OuterPart, Predicted, Range
from gradprobe.reports.decide.summary import DecideSummary
from gradprobe.reports.kit.document import Table, facts
from gradprobe.reports.kit.numbers import ABSENT, percent, signed_two_digits, two_digits, with_span
from gradprobe.reports.statistics.seeds import NAN

TRACK_RECORD = (
    "Predictions rank actions and do not judge them: benchmarks/decisions.py measures how well they rank on "
    "problems of known truth."
)


def actions(summary: DecideSummary) -> Table:
    """Every action: predicted, trained, cost, what it rests on."""
    decision = summary.decision
    rows: list[tuple[str, ...]] = [
        ("average", "the reference", ABSENT, ABSENT, "1.0", f"{summary.probed} probed runs")
    ]
    rows += [_row(line, decision) for line in decision.actions]
    return Table(
        "Actions, the most promising first",
        ("action", "status", "predicted", f"trained, {decision.score}", "time", "rests on"),
        tuple(rows),
        note="Predicted: reduction of the held-out focal loss beyond averaging's, over what the focal "
        f"task's own gradients achieve. {TRACK_RECORD} Trained: improvement over averaging, paired by "
        "seed, with the interval of its last look. Time: that of a training, in averaging's.",
        names=2,
    )


def judged(summary: DecideSummary) -> Table:
    """The action ahead by seeds and molecules that did not choose it."""
    decision, rows = summary.decision, []
    if decision.effect is not None:
        rows.append(("fresh seeds", trained(decision.effect, decision), f"{decision.effect.pairs} pairs"))
    if decision.outer is not None:
        word = "confirms" if decision.outer.confirmed else "does not confirm alone"
        shown = outer(decision.outer, decision)
        rows.append(("molecules set aside", shown, f"{decision.outer.parents} parent compounds; {word}"))
    return Table("The action ahead, judged afresh", ("judge", "effect", "by"), tuple(rows), names=1)


def next_runs(summary: DecideSummary) -> Table:
    """What may settle an open question."""
    rows = tuple(
        (each.action, str(each.pairs), two_digits(each.trainings), _minutes(each.seconds))
        for each in summary.decision.next_runs
    )
    return Table("The next runs, the cheapest first", ("action", "pairs", "trainings", "minutes"), rows)


def cost(summary: DecideSummary) -> Table:
    """What it took, and by which rule."""
    decision, manifest = summary.decision, summary.manifest
    budget = manifest.rules.trainings
    return facts(
        "Cost and rule",
        (
            ("trainings", f"{decision.cost.trainings:g}, of them {decision.cost.probes:g} probed runs"),
            ("budget", "none" if budget is None else f"{budget:.4g} trainings"),
            ("failed", str(decision.cost.failed)),
            ("margin", percent(decision.margin)),
            ("looks after", f"{', '.join(map(str, decision.looks))} pairs"),
            ("level", f"{decision.level:g}, over all looks and actions in the race"),
            ("set aside", f"{len(manifest.outer_labels)} molecules with focal labels"),
        ),
        folded=False,
    )


def problems(summary: DecideSummary) -> Table:
    """The trainings that failed."""
    rows = tuple(tuple(text.split(": ", 1)) for text in summary.decision.problems)
    return Table("Failed trainings", ("training", "reason"), rows, names=2)


def trained(found: Range | None, decision: Decision) -> str:
    """A trained effect with its interval, in per cent where it is relative."""
    return ABSENT if found is None else _effect(found.mean, found.low, found.high, decision)


def outer(found: OuterPart, decision: Decision) -> str:
    """The effect on the molecules set aside."""
    return _effect(found.difference, found.low, found.high, decision)


def predicted(found: Predicted | None) -> str:
    """A predicted effect with its interval."""
    if found is None or found.effect is None:
        return ABSENT
    low, high = (NAN if end is None else end for end in (found.low, found.high))
    return with_span(found.effect, low, high, signed_two_digits, below=True)


def _row(line: ActionLine, decision: Decision) -> tuple[str, ...]:
    mark = " (refuted)" if line.refuted else ""
    time = ABSENT if line.relative_cost is None else two_digits(line.relative_cost)
    return (
        line.action,
        line.status,
        f"{predicted(line.predicted)}{mark}",
        trained(line.trained, decision),
        time,
        line.rests_on,
    )


def _effect(mean: float | None, low: float | None, high: float | None, decision: Decision) -> str:
    if mean is None:
        return ABSENT
    factor, unit = (100.0, " %") if decision.unit == "relative" else (1.0, "")
    below, above = (NAN if end is None else factor * end for end in (low, high))
    return with_span(
        factor * mean, below, above, lambda value: f"{signed_two_digits(value)}{unit}", below=True
    )


def _minutes(seconds: float | None) -> str:
    return ABSENT if seconds is None else two_digits(seconds / 60.0)
