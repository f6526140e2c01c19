"""The tables of what surgery would have done, made from the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradprobe.geometry import Comparison, Gain
from gradprobe.geometry.intervals import FEW_BLOCKS
from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.decision import Decision, Outcome
from gradprobe.reports.compare.leverage import ZERO_UPDATE
from gradprobe.reports.compare.prospect import MARGIN, judged_on, pooled_of, relative
from gradprobe.reports.compare.ranking import Ranked, ranked
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.compare.trials import Rows
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, number, signed_two_digits, two_digits, with_span
from gradprobe.reports.kit.words import count

_GAINS_NOTE = (
    "How much more a step would have lowered the focal loss, to first order, on rows that did not make it; "
    "with 95% intervals, in per cent of what averaging's own step achieves where that is distinguishable "
    "from zero. Control: averaging with the combiner's mean focal share. Prediction: at equal "
    "length, on held-out rows "
    f"where there are some, else on fresh ones; a gain below {100 * MARGIN:g} % is too small to matter. On "
    "fresh rows an update is that of half a batch. Intervals hold for the molecules that were measured: "
    "where steps repeat them, not for others."
)
_MANY_ROWS = 40


def gains(summary: Summary) -> Table:
    """Every combiner's gain over averaging and over the control, at steps of equal length."""
    columns = (
        "encoder",
        "combiner",
        "prediction",
        "focal share",
        "over averaging, held-out",
        "over control, held-out",
        "over averaging, fresh",
        "over control, fresh",
    )
    rows = tuple(row for encoder in summary.encoders for row in _gain_rows(encoder, _equal_length))
    note = " ".join([_GAINS_NOTE, *_yardsticks(summary)])
    return Table("Predicted gains for the focal task", columns, rows, note, names=3)


def gains_at_equal_rate(summary: Summary) -> Table:
    """The same at equal learning rate, where a longer update counts for more."""
    columns = (
        "encoder",
        "combiner",
        "over averaging, held-out",
        "over control, held-out",
        "over averaging, fresh",
        "over control, fresh",
    )
    rows = tuple(
        (*row[:2], *row[4:])
        for encoder in summary.encoders
        for row in _gain_rows(encoder, lambda g: g.equal_rate)
    )
    note = (
        "In per cent of averaging's own effect where that is distinguishable from zero. Adam has no use for "
        "lengths."
    )
    return Table("Predicted gains at equal learning rate", columns, rows, note, names=2, folded=True)


def gains_preconditioned(summary: Summary) -> Table:
    """The gains in the optimiser's geometry, of encoders whose traces have it."""
    rows = tuple(
        (encoder.name, found.combiner, outcome.name, *_gain_cells(outcome, found.combiner, _equal_length))
        for encoder in summary.encoders
        for outcome in [encoder.decision.preconditioned]
        if outcome is not None
        for found in outcome.predictions
        if found.surgery
    )
    columns = ("encoder", "combiner", "rows", "over averaging", "over control")
    note = (
        "Weights are set by plain gradients; the update is then multiplied by the optimiser's diagonal, "
        "in whose norm steps have equal length. In per cent of averaging's own effect where that is told "
        "from zero. The verdict does not use it."
    )
    return Table("Predicted gains in the optimiser's geometry", columns, rows, note, names=3, folded=True)


def focal_weights(summary: Summary) -> Table:
    """The gain of reweighted averaging at each focal share."""
    rows = tuple(
        (encoder.name, outcome.name, number(float(share), digits=1), relative(curve.at(place), average))
        for encoder in summary.encoders
        for outcome in encoder.decision.outcomes
        for curve in [pooled_of(outcome.curve.equal_length)]
        for average in [pooled_of(outcome.average.equal_length.effect)]
        for place, share in enumerate(outcome.curve.shares)
    )
    columns = ("encoder", "rows", "focal share", "gain over averaging")
    note = "Averaging with a fixed focal weight, auxiliaries alike, at steps of equal length; 95% intervals."
    return Table("Gain against focal weight", columns, rows, note, names=2, folded=True)


def affinities(summary: Summary) -> Table:
    """What a step along each task's own gradient does to the focal loss, from the largest down."""
    rows = tuple(
        row for encoder in summary.encoders for row in _affinity_rows(encoder.decision, encoder.name)
    )
    columns = ("encoder", "task", "held-out rows", "fresh training rows", "the auxiliary")
    note = (
        "First-order decrease of the focal loss per unit step along the task's own gradient, with 95% "
        "intervals; the focal task's own comes first. Distinguishable from zero at a false "
        "discovery rate of 5% over the auxiliaries, on held-out rows where there are some, else on fresh "
        "ones. This holds for the "
        "molecules that were measured: where steps repeat them, not for others."
    )
    return Table("Affinity with the focal task", columns, rows, note, names=2, folded=len(rows) > _MANY_ROWS)


def _gain_rows(encoder: EncoderSummary, of: Callable[[Gain], Comparison]) -> Iterator[tuple[str, ...]]:
    decision = encoder.decision
    if not decision.outcomes:
        return
    first = decision.outcomes[0]
    prospects = encoder.verdict.outlooks
    for name in (each.combiner for each in first.predictions):
        found = first.of(name)
        if found is None or (found.gain is None and not found.surgery):
            continue
        outlook = prospects.get(name)
        share = outlook.focal_share if outlook else found.gain.focal_share if found.gain else None
        cells = (
            cell for outcome in (decision.heldout, decision.fresh) for cell in _gain_cells(outcome, name, of)
        )
        yield (
            encoder.name,
            name,
            ABSENT if outlook is None else outlook.prospect.value,
            ABSENT if share is None else two_digits(share),
            *cells,
        )


def _gain_cells(outcome: Outcome | None, name: str, of: Callable[[Gain], Comparison]) -> tuple[str, str]:
    found = None if outcome is None else outcome.of(name)
    if outcome is None or found is None:
        return ABSENT, ABSENT
    if found.gain is None:
        return found.reason, ""
    average = pooled_of(of(outcome.average).effect)
    compared = of(found.gain)
    return _cell(pooled_of(compared.gain), average), _cell(pooled_of(compared.gain_over_control), average)


def _cell(gain: Pooled, average: Pooled) -> str:
    if np.isnan(float(gain)):
        return f"undefined: {ZERO_UPDATE}"
    if np.isnan(float(gain.low)):
        return f"{signed_two_digits(float(gain))} (few steps)"
    return relative(gain, average)


def _yardsticks(summary: Summary) -> Iterator[str]:
    """What averaging's own steps achieve, and from how many steps, for each encoder and kind of rows."""
    for encoder in summary.encoders:
        decision = encoder.decision
        for outcome in decision.outcomes:
            effect = pooled_of(outcome.average.equal_length.effect)
            thinned = f" of {outcome.measured}" if outcome.steps < outcome.measured else ""
            yield (
                f"{encoder.name}, {outcome.name}: averaging's own effect {_absolute(effect)}, over "
                f"{outcome.steps}{thinned} measured minibatch steps of {count(outcome.runs, 'run')}"
                f"{', whose spread is part of the intervals' if outcome.runs > 1 else ''}."
            )
        for reason in dict.fromkeys((decision.no_heldout, decision.no_fresh)):
            missing = (decision.heldout is None and reason == decision.no_heldout) or (
                decision.fresh is None and reason == decision.no_fresh
            )
            if missing and reason:
                yield f"{encoder.name}: {reason}."


def _affinity_rows(decision: Decision, name: str) -> Iterator[tuple[str, ...]]:
    judged = judged_on(decision) or next(iter(decision.outcomes), None)
    if judged is None:
        return
    entries = {
        outcome.rows: {entry.task: entry for entry in ranked(outcome)} for outcome in decision.outcomes
    }
    for entry in ranked(judged):
        cells = [_affinity(entries[rows].get(entry.task)) if rows in entries else ABSENT for rows in _ROWS]
        yield (name, entry.task, *cells, entry.worth.value if entry.worth else "the focal task itself")


_ROWS: tuple[Rows, ...] = ("heldout", "fresh")


def _equal_length(gain: Gain) -> Comparison:
    return gain.equal_length


def _affinity(entry: Ranked | None) -> str:
    return ABSENT if entry is None else _absolute(entry.affinity)


def _absolute(estimate: Pooled) -> str:
    value, low, high = float(estimate), float(estimate.low), float(estimate.high)
    without = "" if np.isnan(value) or not np.isnan(low) else _without_interval(estimate)
    return with_span(value, low, high, two_digits) + without


def _without_interval(estimate: Pooled) -> str:
    return f" ({'few steps' if estimate.reason == FEW_BLOCKS else estimate.reason})"
