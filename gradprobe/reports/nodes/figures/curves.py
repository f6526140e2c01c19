"""Validation accuracy over training, one panel a model: the paper's Figure 4."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.kit.canvas import label, legend, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.nodes.figures.lines import draw_course
from gradprobe.reports.nodes.summary import NodesSummary


def draw(summary: NodesSummary) -> Figure | None:
    """Mean over seeds, lowest to highest seed as a band; the main methods only."""
    shown = [model for model in summary.models if any(run.accuracy.steps for run in summary.main(model))]
    if not shown:
        return None
    figure, axes = panels([2.3] * len(shown), share_x=True, extra=0.8)
    for panel, model in zip(axes, shown, strict=True):
        for run in summary.main(model):
            draw_course(panel, run, run.accuracy)
        panel.set_title(label(model))
        panel.set_ylabel("validation accuracy")
    axes[-1].set_xlabel("epoch")
    legend(figure, axes[0])
    return figure


def describe(summary: NodesSummary) -> str:
    """The accuracy that every line ends at."""
    said = [
        f"{run.model} {run.method} ends at {number(run.accuracy.mean[-1])}"
        for model in summary.models
        for run in summary.main(model)
        if run.accuracy.steps
    ]
    return f"Lines of validation accuracy over epochs. {'; '.join(said)}."
