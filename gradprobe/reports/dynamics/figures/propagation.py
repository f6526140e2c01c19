"""Residual propagation beside the networks: accuracy and seconds, one row a graph."""

from __future__ import annotations

import math
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.records.dynamics import Method
from gradprobe.reports.dynamics.figures import marks
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit.canvas import legend, log_scale, panels
from gradprobe.reports.kit.numbers import number


def draw(summary: DynamicsSummary) -> Figure | None:
    """Means over seeds; graphs by rising homophily, from below."""
    if not summary.methods:
        return None
    height = 0.5 + 0.27 * len(summary.graphs)
    figure, axes = panels([height, height], extra=0.8)
    _rows(axes[0], summary, lambda graph, method: graph.accuracy(method).mean)
    axes[0].set_xlabel("test accuracy")
    _rows(axes[1], summary, lambda graph, method: graph.seconds(method))
    log_scale(axes[1].xaxis)
    axes[1].set_xlabel("seconds of one fit, one thread")
    legend(figure, axes[0])
    return figure


def describe(summary: DynamicsSummary) -> str:
    """Accuracy of RP and GCN on every graph."""
    said = [
        f"{graph.facts.name}: {number(graph.accuracy('rp').mean)} and {number(graph.accuracy('gcn').mean)}"
        for graph in summary.graphs
    ]
    return f"Dots of test accuracy and seconds by graph. RP and GCN: {'; '.join(said)}."


def _rows(panel: Axes, summary: DynamicsSummary, read: Callable[[GraphSummary, Method], float]) -> None:
    for method in summary.methods:
        mark = marks.METHODS[method]
        values = [read(graph, method) for graph in summary.graphs]
        known = [(value, row) for row, value in enumerate(values) if not math.isnan(value)]
        panel.plot(
            [value for value, _ in known],
            [row for _, row in known],
            linestyle="",
            marker=mark.shape,
            color=mark.colour,
            label=mark.name,
            markersize=6,
            alpha=0.85,
        )
    panel.set_yticks(range(len(summary.graphs)), [marks.graph_name(graph) for graph in summary.graphs])
    panel.set_ylim(-0.5, len(summary.graphs) - 0.5)
