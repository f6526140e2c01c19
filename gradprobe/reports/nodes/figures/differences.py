"""Differences of the test accuracy from the base method with their intervals, one panel a model."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import join, paired
from gradprobe.reports.nodes.summary import BASE, NodesSummary, RunSummary
from gradprobe.reports.statistics.paired import Paired


def draw(summary: NodesSummary) -> Figure | None:
    """Mean over paired seeds and 95 % t interval; one seed gives a hollow dot without an interval."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, axes = panels([0.3 + 0.3 * len(rows) for rows in shown.values()], share_x=True)
    for panel, (model, rows) in zip(axes, shown.items(), strict=True):
        for row, run in enumerate(rows):
            found, colour = _difference(run), colours.of_node_method(run.method)
            fill = "full" if found.seeds > 1 else "none"
            panel.plot([found.mean], [row], "o", color=colour, markersize=7, fillstyle=fill)
            if found.seeds > 1:
                panel.plot([found.low, found.high], [row, row], color=colour, linewidth=2.2)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_yticks(range(len(rows)), [label(run.method) for run in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(label(model, 40))
    axes[-1].set_xlabel("test accuracy minus the base's (right: better)")
    return figure


def describe(summary: NodesSummary) -> str:
    """The difference of every method, with its interval."""
    said = [
        f"{model}: {join([f'{run.method} {paired(_difference(run))}' for run in rows])}"
        for model, rows in _shown(summary).items()
    ]
    return f"Paired differences of test accuracy from base with 95% intervals. {'; '.join(said)}."


def _shown(summary: NodesSummary) -> dict[str, list[RunSummary]]:
    shown: dict[str, list[RunSummary]] = {}
    for run in summary.runs:
        if run.method != BASE and _difference(run).seeds:
            shown.setdefault(run.model, []).append(run)
    return shown


def _difference(run: RunSummary) -> Paired:
    return run.differences["accuracy"]
