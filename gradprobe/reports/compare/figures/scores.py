"""The focal test score of every combiner, one panel an encoder."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import join, spread


def draw(summary: Summary) -> Figure | None:
    """A faint dot a seed, a bar at the mean over seeds."""
    shown = _shown(summary)
    if not shown or summary.metric is None:
        return None
    figure, axes = panels([0.5 + 0.27 * len(summary.combiners)] * len(shown), share_x=True)
    for panel, encoder in zip(axes, shown, strict=True):
        for row, score in enumerate(encoder.scores):
            colour = colours.of_combiner(score.combiner)
            values = [value for value in score.values.values() if not math.isnan(value)]
            panel.plot(values, [row] * len(values), "o", color=colour, alpha=0.45, markersize=5)
            if score.estimate.seeds:
                mean = [score.estimate.mean]
                panel.plot(mean, [row], "|", color=colour, markersize=15, markeredgewidth=2.5)
        panel.set_yticks(range(len(encoder.scores)), [label(score.combiner) for score in encoder.scores])
        panel.set_ylim(len(encoder.scores) - 0.5, -0.5)
        panel.set_title(label(encoder.name, 40))
    axes[-1].set_xlabel(f"{summary.metric.name}, test fold ({summary.metric.direction})")
    return figure


def describe(summary: Summary) -> str:
    """The mean score of every combiner and encoder."""
    if summary.metric is None:
        return ""
    said = []
    for encoder in _shown(summary):
        known = [f"{s.combiner} {spread(s.estimate)}" for s in encoder.scores if s.estimate.seeds]
        said.append(f"{encoder.name}: {join(known)}")
    return f"Dots of the focal {summary.metric.name} by combiner. " + "; ".join(said) + "."


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [e for e in summary.encoders if any(score.estimate.seeds for score in e.scores)]
