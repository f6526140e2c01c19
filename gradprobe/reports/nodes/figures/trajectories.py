"""Validation accuracy of every random start until one is chosen to go on: the paper's Figure 2."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import count, number
from gradprobe.reports.nodes.summary import NodesSummary


def draw(summary: NodesSummary) -> Figure | None:
    """The starts of one cell; the chosen one, of the lowest validation loss, is drawn on top."""
    found = summary.starts
    if found is None:
        return None
    figure, (panel,) = panels([2.6], extra=0.8)
    for position, accuracies in enumerate(found.accuracies):
        chosen = position == found.chosen
        panel.plot(
            range(1, len(accuracies) + 1),
            accuracies,
            color=colours.of_node_method(found.method) if chosen else colours.FAINT,
            linewidth=2.2 if chosen else 1.0,
            alpha=1.0 if chosen else 0.6,
            zorder=3 if chosen else 2,
            label="chosen" if chosen else "not chosen" if position == int(found.chosen == 0) else None,
        )
    panel.axvline(found.trial_epochs, color=colours.FAINT, linestyle="--", linewidth=1.0)
    panel.set_title(f"{label(found.model)}, {label(found.method)}, seed {found.seed}")
    panel.set_xlabel("epoch (dashed: one start is chosen)")
    panel.set_ylabel("validation accuracy")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2)
    return figure


def describe(summary: NodesSummary) -> str:
    """How many starts there were, and where they stood when one was chosen."""
    found = summary.starts
    assert found is not None
    ends = [accuracies[found.trial_epochs - 1] for accuracies in found.accuracies]
    return (
        f"Lines of validation accuracy of {count(len(ends), 'random start')}, between "
        f"{number(min(ends))} and {number(max(ends))} at epoch {found.trial_epochs}; the chosen "
        f"one stands at {number(ends[found.chosen])}."
    )
