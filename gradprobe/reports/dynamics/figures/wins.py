"""What the graph is worth in accuracy, against alignment, one dot a graph."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.dynamics.figures import marks
from gradprobe.reports.dynamics.summary import DynamicsSummary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import number

_WIN, _LOSS = "#0072B2", "#D55E00"


def draw(summary: DynamicsSummary) -> Figure | None:
    """GCN minus MLP with its 95 % interval over seeds; above zero the graph helps."""
    shown = [graph for graph in summary.graphs if graph.difference("gcn", "mlp").seeds]
    if not shown:
        return None
    figure, axes = panels([2.9, 2.9])
    across = (
        ("alignment of graph and labels", [graph.graph_target.mean for graph in shown]),
        ("kernel–label alignment, GCN − MLP", [graph.kernel_gain for graph in shown]),
    )
    for panel, (name, x) in zip(axes, across, strict=True):
        for place, graph in zip(x, shown, strict=True):
            gain = graph.difference("gcn", "mlp")
            won = gain.mean > 0.0
            colour = _WIN if won else _LOSS
            panel.plot([place], [gain.mean], "^" if won else "v", color=colour, markersize=7)
            if gain.seeds > 1:
                panel.plot([place, place], [gain.low, gain.high], color=colour, linewidth=1.0)
        panel.axhline(0.0, color=colours.FAINT, linewidth=0.8)
        panel.margins(x=0.16, y=0.12)
        panel.set(xlabel=name, ylabel="accuracy, GCN − MLP")
        panel.autoscale_view()
        places = [(place, graph.gain) for place, graph in zip(x, shown, strict=True)]
        marks.name_points(panel, places, [marks.graph_name(graph) for graph in shown])
    axes[1].axvline(0.0, color=colours.FAINT, linewidth=0.8)
    return figure


def describe(summary: DynamicsSummary) -> str:
    """The difference on every graph."""
    said = [f"{graph.facts.name} {number(graph.gain, signed=True)}" for graph in summary.graphs]
    return f"Dots of test accuracy, GCN minus MLP, by alignment. {'; '.join(said)}."
