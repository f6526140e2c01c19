"""What combiners would have done: gains, gains against a focal weight, affinities, leverage."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.decision import Outcome, Prediction
from gradprobe.reports.compare.leverage import THRESHOLD, Leverage
from gradprobe.reports.compare.prospect import MARGIN, judged_on, pooled_of, relative, unit_of
from gradprobe.reports.compare.ranking import Ranked, Worth, ranked, ranking_in_words
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, two_digits
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.kit.words import join

_ABOVE, _BELOW = -0.17, 0.17  # of a row's height
_MOST_TASKS = 30  # auxiliaries drawn: of more, the most helpful and the most harmful
_ROWS = {"heldout": (-0.15, "o"), "fresh": (0.15, "D")}
_FLOOR = 1e-7  # below this a leverage is rounding; a logarithmic axis needs an end


def gains(summary: Summary) -> Figure | None:
    """Gains over averaging (diamond) and over the control (dot) with intervals; the margin shaded."""
    shown = [(name, outcome) for name, outcome in _outcomes(summary) if _tried(outcome)]
    if not shown:
        return None
    panels, said = [], []
    for name, outcome in shown:
        average = pooled_of(outcome.average.equal_length.effect)
        unit = unit_of(average)
        relatively = unit != 1.0
        panels.append(
            ForestPanel(
                f"{name}, {outcome.name}",
                tuple(Row(each.combiner, _gain_marks(each, unit)) for each in _tried(outcome)),
                "% of averaging's effect" if relatively else "first-order decrease of focal loss",
                shaded=100.0 * MARGIN if relatively else 0.0,
            )
        )
        parts = [
            f"{each.combiner} {relative(over_average, average)} over averaging, "
            f"{relative(over_control, average)} over the control"
            for each in _tried(outcome)
            for over_average, over_control in [_gains(each)]
        ]
        said.append(f"{name}, {outcome.name}: {'; '.join(parts)}")
    return Figure(
        name="gains",
        plot=Forest(tuple(panels), share_x=False, row_height=0.34),
        words=f"Predicted gains for the focal task with 95% intervals. {'. '.join(said)}.",
        caption="First-order gain for the focal task of a step of each combiner along the runs with "
        "averaging, on rows that did not make the step, at equal step length. Diamond: over averaging; "
        "dot: over averaging at the combiner's focal share; lines: 95% intervals. Shaded: too small to "
        "matter.",
    )


def focal_weight(summary: Summary) -> Figure | None:
    """The gain of averaging at every focal share as a line, combiners as dots at theirs."""
    shown = [
        (name, outcome)
        for name, outcome in _outcomes(summary)
        if not np.isnan(outcome.curve.equal_length.values).all()
    ]
    if not shown:
        return None
    return Figure(
        name="focal_weight",
        plot=Chart(
            tuple(_weight_panel(name, outcome) for name, outcome in shown), "focal share of the weights"
        ),
        words="Gain over averaging against focal weight. "
        + ". ".join(f"{name}, {outcome.name}: {_best_weight(outcome)}" for name, outcome in shown)
        + ".",
        caption="Line: gain over averaging of averaging with a fixed focal share, auxiliaries alike, "
        "with its 95% interval; dots: combiners at their mean focal share.",
    )


def affinities(summary: Summary) -> Figure | None:
    """Affinities from the largest down, on held-out and on fresh rows; full: told from nothing."""
    shown = [
        (encoder, entries)
        for encoder in summary.encoders
        for entries in [_entries(encoder)]
        if any(not math.isnan(float(entry.affinity)) for entry in entries)
    ]
    if not shown:
        return None
    panels = []
    for encoder, entries in shown:
        tasks = [entry.task for entry in entries]
        if len(tasks) > _MOST_TASKS:
            tasks = [*tasks[: _MOST_TASKS // 2], *tasks[-(_MOST_TASKS // 2) :]]
        rows = {task: list[Mark]() for task in tasks}
        for outcome in encoder.decision.outcomes:
            for entry in ranked(outcome):
                if entry.task in rows:
                    rows[entry.task].append(_affinity_mark(entry, outcome.rows))
        panels.append(
            ForestPanel(encoder.name, tuple(Row(task, tuple(marks)) for task, marks in rows.items()))
        )
    return Figure(
        name="affinities",
        plot=Forest(tuple(panels), "affinity", share_x=False),
        words="Affinities of all tasks with the focal task. "
        + ". ".join(f"{encoder.name}: {ranking_in_words(entries)}" for encoder, entries in shown)
        + ".",
        caption="First-order decrease of the focal loss per unit step along each task's own gradient, on "
        "rows that did not make it, with 95% intervals. Dot: held-out rows; diamond: fresh ones; hollow: "
        "cannot be told apart from nothing.",
    )


def leverage(summary: Summary) -> Figure | None:
    """Mean (hollow) and largest (full) leverage on a logarithmic axis, the threshold dashed."""
    shown = [
        (encoder.name, known)
        for encoder in summary.encoders
        if (known := [found for found in encoder.leverages if found.steps])
    ]
    if not shown:
        return None
    said = [f"{name}: {join([f'{e.combiner} {number(e.largest)}' for e in known])}" for name, known in shown]
    return Figure(
        name="leverage",
        plot=Forest(
            tuple(
                ForestPanel(
                    name, tuple(Row(each.combiner, _leverage_marks(each)) for each in known), log=True
                )
                for name, known in shown
            ),
            "leverage (hollow: mean, full: largest)",
            lines=((THRESHOLD, "--"),),
            limits=(_FLOOR / 2, 4.0),
            row_height=0.27,
        ),
        words=f"Leverage by combiner, threshold {THRESHOLD:g}. Largest: " + "; ".join(said) + ".",
        caption="1 − cosine between a combiner's update and averaging's, from the recorded minibatch "
        "Gramians; combiners that were not trained are included.",
    )


def _outcomes(summary: Summary) -> Iterator[tuple[str, Outcome]]:
    for encoder in summary.encoders:
        for outcome in encoder.decision.outcomes:
            yield encoder.name, outcome


def _tried(outcome: Outcome) -> list[Prediction]:
    """The predictions with a gain to show."""
    return [
        each
        for each in outcome.predictions
        if each.gain is not None and not math.isnan(float(each.gain.equal_length.gain))
    ]


def _gains(prediction: Prediction) -> tuple[Pooled, Pooled]:
    """The gains over averaging and over the control."""
    assert prediction.gain is not None
    compared = prediction.gain.equal_length
    return pooled_of(compared.gain), pooled_of(compared.gain_over_control)


def _gain_marks(prediction: Prediction, unit: float) -> tuple[Mark, Mark]:
    colour = colours.of_combiner(prediction.combiner)
    over_average, over_control = (
        (float(gain) / unit, colour, float(gain.low) / unit, float(gain.high) / unit)
        for gain in _gains(prediction)
    )
    return (
        Mark(*over_average, marker="D", filled=False, size=5.5, width=1.2, shift=_ABOVE),
        Mark(*over_control, size=5.5, width=2.2, shift=_BELOW),
    )


def _weight_panel(name: str, outcome: Outcome) -> Panel:
    curve, unit = outcome.curve.equal_length, unit_of(pooled_of(outcome.average.equal_length.effect))
    # One legend serves all panels, so the line has its combiner's colour and not the encoder's.
    line = Series(
        "reweighted averaging",
        colours.of_combiner("weighted"),
        outcome.curve.shares.tolist(),
        (curve.values / unit).tolist(),
        (curve.low / unit).tolist(),
        (curve.high / unit).tolist(),
    )
    dots = [
        Series(
            each.combiner,
            colours.of_combiner(each.combiner),
            [each.gain.focal_share],
            [float(gain) / unit],
            [float(gain.low) / unit],
            [float(gain.high) / unit],
            line="",
            marker="o",
            size=6.0,
        )
        for each in _placed(outcome)
        if each.gain is not None
        for gain in [each.gain.equal_length.gain]
    ]
    y_label = "gain, % of averaging's" if unit != 1.0 else "gain"
    return Panel(f"{name}, {outcome.name}", y_label, (line, *dots), levels=((0.0, "", "-"),), height=2.4)


def _placed(outcome: Outcome) -> list[Prediction]:
    """The predictions with a gain and a focal share to place it at."""
    return [e for e in _tried(outcome) if e.gain is not None and not math.isnan(e.gain.focal_share)]


def _best_weight(outcome: Outcome) -> str:
    """The best focal share, and where every combiner stands."""
    curve = pooled_of(outcome.curve.equal_length)
    average = pooled_of(outcome.average.equal_length.effect)
    best = int(np.nanargmax(curve.values))
    dots = [
        f"{each.combiner} at {two_digits(each.gain.focal_share)}: {relative(_gains(each)[0], average)}"
        for each in _placed(outcome)
        if each.gain is not None
    ]
    share = number(float(outcome.curve.shares[best]), digits=1)
    return (
        f"reweighted averaging gains most at a focal share of {share}, {relative(curve.at(best), average)}; "
        + "; ".join(dots)
    )


def _entries(encoder: EncoderSummary) -> tuple[Ranked, ...]:
    outcome = judged_on(encoder.decision) or next(iter(encoder.decision.outcomes), None)
    return () if outcome is None else ranked(outcome)


def _affinity_mark(entry: Ranked, rows: str) -> Mark:
    """Blue helps, red harms; grey is not told apart from nothing, black the focal task itself."""
    named = {Worth.HELPS: colours.HELPS, Worth.HARMS: colours.HARMS, None: colours.TEXT}
    effect, (shift, marker) = entry.affinity, _ROWS[rows]
    return Mark(
        float(effect),
        named.get(entry.worth, colours.FAINT),
        float(effect.low),
        float(effect.high),
        marker=marker,
        filled=entry.worth is not Worth.UNKNOWN,
        size=5.5,
        width=1.8,
        shift=shift,
    )


def _leverage_marks(found: Leverage) -> tuple[Mark, Mark]:
    colour = colours.of_combiner(found.combiner)
    mean, largest = max(found.mean, _FLOOR), max(found.largest, _FLOOR)
    return Mark(largest, colour, mean, largest, width=1.2), Mark(mean, colour, filled=False)
