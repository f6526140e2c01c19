"""Differences of the focal score from averaging with their intervals, one panel an encoder."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import join, paired
from gradprobe.reports.statistics.paired import Paired


def draw(summary: Summary) -> Figure | None:
    """Mean over paired seeds and 95 % t interval; one seed gives a hollow dot without an interval."""
    shown = {encoder.name: _compared(encoder) for encoder in summary.encoders if _compared(encoder)}
    metric = summary.metric
    if not shown or metric is None:
        return None
    figure, axes = panels([0.3 + 0.27 * len(rows) for rows in shown.values()], share_x=True)
    for panel, (name, rows) in zip(axes, shown.items(), strict=True):
        for row, (combiner, found) in enumerate(rows.items()):
            colour = colours.of_combiner(combiner)
            fill = "full" if found.seeds > 1 else "none"
            panel.plot([found.mean], [row], "o", color=colour, markersize=7, fillstyle=fill)
            if found.seeds > 1:
                panel.plot([found.low, found.high], [row, row], color=colour, linewidth=2.2)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_yticks(range(len(rows)), [label(combiner) for combiner in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(label(name, 40))
    better = "left" if metric.lower_is_better else "right"
    axes[-1].set_xlabel(f"{metric.name} minus averaging's (better: {better} of zero)")
    return figure


def describe(summary: Summary) -> str:
    """The difference of every combiner and encoder, with its interval."""
    said = [
        f"{encoder.name}: {join([f'{name} {paired(found)}' for name, found in _compared(encoder).items()])}"
        for encoder in summary.encoders
        if _compared(encoder)
    ]
    return f"Paired differences from averaging with 95% intervals. {'; '.join(said)}."


def _compared(encoder: EncoderSummary) -> dict[str, Paired]:
    differences = ((score.combiner, score.difference) for score in encoder.scores)
    return {name: found for name, found in differences if found is not None and found.seeds}
