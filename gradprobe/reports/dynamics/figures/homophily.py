"""Alignments against homophily, one dot a graph."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.dynamics.figures import marks
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit.canvas import headroom, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.statistics.seeds import Estimate


def draw(summary: DynamicsSummary) -> Figure | None:
    """Means over seeds; kernels averaged over training."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, (axes,) = panels([3.4], extra=0.8)
    x = [graph.homophily for graph in shown]
    for mark, read in _SERIES:
        y = [read(graph).mean for graph in shown]
        axes.plot(x, y, linestyle="", marker=mark.shape, color=mark.colour, label=mark.name, markersize=6)
    top = [max(read(graph).mean for _, read in _SERIES) for graph in shown]
    axes.set(xlabel="edge homophily", ylabel="alignment (centred)", xlim=(-0.02, 1.12))
    headroom(axes, share=0.06)
    marks.name_points(axes, list(zip(x, top, strict=True)), [marks.graph_name(graph) for graph in shown])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def describe(summary: DynamicsSummary) -> str:
    """The alignment of graph and labels on every graph."""
    said = [
        f"{graph.facts.name} {number(graph.homophily, digits=2)}: {number(graph.graph_target.mean)}"
        for graph in _shown(summary)
    ]
    return f"Dots of alignments by homophily. Graph with labels: {'; '.join(said)}."


def _shown(summary: DynamicsSummary) -> list[GraphSummary]:
    return [graph for graph in summary.graphs if graph.facts.homophily is not None]


def _kernel_graph(graph: GraphSummary) -> Estimate:
    return graph.during("gcn", "kernel_graph")


def _kernel_target(graph: GraphSummary) -> Estimate:
    return graph.during("gcn", "kernel_target")


def _mlp_target(graph: GraphSummary) -> Estimate:
    return graph.during("mlp", "kernel_target")


def _graph_target(graph: GraphSummary) -> Estimate:
    return graph.graph_target


_SERIES = (
    (marks.GRAPH_TARGET, _graph_target),
    (marks.KERNEL_GRAPH, _kernel_graph),
    (marks.KERNEL_TARGET, _kernel_target),
    (marks.MLP_TARGET, _mlp_target),
)
