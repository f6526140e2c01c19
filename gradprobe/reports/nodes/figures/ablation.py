"""Test accuracy of the methods and of each without one of its parts: the paper's Figure 9."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.nodes.summary import NodesSummary, RunSummary


def draw(summary: NodesSummary) -> Figure | None:
    """Mean over seeds and lowest to highest seed; the paper joins its dots, which stand in no order."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, axes = panels([0.4 + 0.28 * len(rows) for rows in shown.values()], share_x=True)
    for panel, (model, rows) in zip(axes, shown.items(), strict=True):
        for row, run in enumerate(rows):
            found, colour = run.test["accuracy"], colours.of_node_method(run.method)
            panel.plot([found.low, found.high], [row, row], color=colour, linewidth=1.6, alpha=0.6)
            panel.plot([found.mean], [row], "o", color=colour, markersize=7)
        base = next((run.test["accuracy"].mean for run in rows if run.method == "base"), None)
        if base is not None:
            panel.axvline(base, color=colours.of_node_method("base"), linestyle=":", linewidth=1.2)
        panel.set_yticks(range(len(rows)), [label(run.method) for run in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(label(model))
    axes[-1].set_xlabel("test accuracy")
    return figure


def describe(summary: NodesSummary) -> str:
    """The mean accuracy of every variant."""
    said = [
        f"{run.model} {run.method} {number(run.test['accuracy'].mean)}"
        for rows in _shown(summary).values()
        for run in rows
    ]
    return f"Dots of mean test accuracy. {'; '.join(said)}."


def _shown(summary: NodesSummary) -> dict[str, list[RunSummary]]:
    """Models of which a method without one of its parts has run."""
    found = {
        model: [run for run in summary.runs if run.model == model and run.test["accuracy"].seeds]
        for model in summary.models
    }
    return {model: rows for model, rows in found.items() if any("-no-" in run.method for run in rows)}
