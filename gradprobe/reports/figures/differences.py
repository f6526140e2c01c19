"""Differences of the focal score from averaging with their intervals, one panel an encoder."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import label, panels
from gradprobe.reports.scores import CombinerScore
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.tables import difference_of
from gradprobe.reports.wording import join


def draw(summary: Summary) -> Figure | None:
    """Mean over paired seeds and 95 % t interval; one seed gives a hollow dot without an interval."""
    shown = {encoder.name: _compared(encoder) for encoder in summary.encoders if _compared(encoder)}
    metric = summary.metric
    if not shown or metric is None:
        return None
    figure, axes = panels([0.5 + 0.27 * len(rows) for rows in shown.values()], share_x=True)
    for panel, (name, rows) in zip(axes, shown.items(), strict=True):
        for row, score in enumerate(rows):
            found, colour = score.difference, colours.of_combiner(score.combiner)
            assert found is not None
            alone = found.seeds == 1
            panel.plot([found.mean], [row], "o", color=colour, markersize=7, fillstyle="none" if alone else "full")
            if not alone:
                panel.plot([found.low, found.high], [row, row], color=colour, linewidth=2.2)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_yticks(range(len(rows)), [label(score.combiner) for score in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(label(name, 40))
    better = "left" if metric.lower_is_better else "right"
    axes[-1].set_xlabel(f"{metric.name} minus averaging's (better: {better} of zero)")
    return figure


def describe(summary: Summary) -> str:
    """The difference of every combiner and encoder, with its interval."""
    said = [
        f"{encoder.name}: " + join([f"{score.combiner} {difference_of(score)}" for score in _compared(encoder)])
        for encoder in summary.encoders
        if _compared(encoder)
    ]
    return "Paired differences from averaging with 95% intervals. " + "; ".join(said) + "."


def _compared(encoder: EncoderSummary) -> list[CombinerScore]:
    return [s for s in encoder.scores if s.difference is not None and s.difference.seeds]
