"""The focal test score of every combiner, one panel an encoder."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import label, panels
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.wording import spread


def draw(summary: Summary) -> Figure | None:
    """A faint dot a seed, a bar at the mean over seeds."""
    shown = _shown(summary)
    if not shown or summary.metric is None:
        return None
    figure, axes = panels([0.5 + 0.27 * len(summary.combiners)] * len(shown), share_x=True)
    for panel, encoder in zip(axes, shown, strict=True):
        for row, score in enumerate(encoder.scores):
            colour = colours.of_combiner(score.combiner)
            values = [value for value in score.values.values() if value == value]
            panel.plot(values, [row] * len(values), "o", color=colour, alpha=0.45, markersize=5)
            if score.estimate.seeds:
                panel.plot([score.estimate.mean], [row], "|", color=colour, markersize=15, markeredgewidth=2.5)
        panel.set_yticks(range(len(encoder.scores)), [label(score.combiner) for score in encoder.scores])
        panel.set_ylim(len(encoder.scores) - 0.5, -0.5)
        panel.set_title(label(encoder.name, 40))
    axes[-1].set_xlabel(f"{summary.metric.name}, test fold ({summary.metric.direction})")
    return figure


def describe(summary: Summary) -> str:
    """The mean score of every combiner and encoder."""
    if summary.metric is None:
        return ""
    said = [
        f"{encoder.name}: "
        + ", ".join(f"{score.combiner} {spread(score.estimate)}" for score in encoder.scores if score.estimate.seeds)
        for encoder in _shown(summary)
    ]
    return f"Dots of the focal {summary.metric.name} by combiner. " + "; ".join(said) + "."


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [e for e in summary.encoders if any(score.estimate.seeds for score in e.scores)]
