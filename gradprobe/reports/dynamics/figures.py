"""The figures of a dynamics report: alignments over training and by homophily, wins, residual propagation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradprobe.records.dynamics import NAMES, Checkpoint, DynamicsRun, Method, Network
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, signed, two_digits
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series, course
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.seeds import band

_TICKS = (0, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
_LINES: dict[str, tuple[Network, Callable[[Checkpoint], float | None]]] = {
    "GCN kernel with graph": ("gcn", lambda point: point.centred.kernel_graph),
    "GCN kernel with labels": ("gcn", lambda point: point.centred.kernel_target),
    "MLP kernel with labels": ("mlp", lambda point: point.centred.kernel_target),
    "graph with labels": ("gcn", lambda point: point.centred.graph_target),
    "GCN test accuracy": ("gcn", lambda point: point.test),
}
_BY_HOMOPHILY: dict[str, Callable[[GraphSummary], float]] = {
    "graph with labels": lambda graph: graph.graph_target.mean,
    "GCN kernel with graph": lambda graph: graph.during("gcn", "kernel_graph").mean,
    "GCN kernel with labels": lambda graph: graph.during("gcn", "kernel_target").mean,
    "MLP kernel with labels": lambda graph: graph.during("mlp", "kernel_target").mean,
}


def courses(summary: DynamicsSummary) -> Figure | None:
    """Alignments over training against accuracy, one panel a graph; the scale widens the first epochs."""
    if not summary.graphs:
        return None
    said = [
        f"{graph.facts.name}: graph from {number(graph.start('kernel_graph'))} to "
        f"{number(graph.finish('kernel_graph'))}, labels from {number(graph.start('kernel_target'))} to "
        f"{number(graph.finish('kernel_target'))}"
        for graph in summary.graphs
    ]
    return Figure(
        name="courses",
        plot=Chart(
            tuple(map(_course_panel, summary.graphs)), "epoch", columns=2, share_y=True, legend_columns=2
        ),
        words=f"Lines over epochs of the alignment of the GCN's kernel. {'; '.join(said)}.",
        caption="By rising homophily, which stands in brackets. Alignments and accuracy share the axis. "
        "Bands: lowest to highest seed.",
    )


def homophily(summary: DynamicsSummary) -> Figure | None:
    """Alignments against homophily, one dot a graph; kernels averaged over training."""
    shown = [graph for graph in summary.graphs if graph.facts.homophily is not None]
    if not shown:
        return None
    x = [graph.homophily for graph in shown]
    values = {name: [read(graph) for graph in shown] for name, read in _BY_HOMOPHILY.items()}
    series = tuple(
        Series(name, look.colour, x, y, line="", marker=look.marker, size=6.0)
        for name, y in values.items()
        for look in [colours.ALIGNMENTS[name]]
    )
    tops = np.max(list(values.values()), axis=0).tolist()
    panel = Panel(
        "",
        "alignment (centred)",
        series,
        x_limits=(-0.02, 1.12),
        names=tuple((a, top, graph.facts.name) for a, top, graph in zip(x, tops, shown, strict=True)),
        room=0.06,
        height=3.4,
    )
    said = [f"{g.facts.name} {two_digits(g.homophily)}: {number(g.graph_target.mean)}" for g in shown]
    return Figure(
        name="homophily",
        plot=Chart((panel,), "edge homophily", legend_columns=2),
        words=f"Dots of alignments by homophily. Graph with labels: {'; '.join(said)}.",
        caption="Kernels are averaged over training.",
    )


def wins(summary: DynamicsSummary) -> Figure | None:
    """Test accuracy, GCN minus MLP, against alignment: above zero the graph helps."""
    shown = [graph for graph in summary.graphs if graph.difference("gcn", "mlp").seeds]
    if not shown:
        return None
    across: dict[str, Callable[[GraphSummary], float]] = {
        "alignment of graph and labels": lambda graph: graph.graph_target.mean,
        "kernel–label alignment, GCN − MLP": lambda graph: graph.kernel_gain,
    }
    panels = tuple(
        Panel(
            "",
            "accuracy, GCN − MLP",
            tuple(_win(graph, read(graph)) for graph in shown),
            name,
            levels=((0.0, "", "-"),),
            uprights=((0.0, "", "-"),) if "−" in name else (),
            names=tuple((read(graph), graph.gain, graph.facts.name) for graph in shown),
            margin=0.16,
            height=2.9,
        )
        for name, read in across.items()
    )
    said = [f"{graph.facts.name} {signed(graph.gain)}" for graph in summary.graphs]
    return Figure(
        name="wins",
        plot=Chart(panels, share_x=False),
        words=f"Dots of test accuracy, GCN minus MLP, by alignment. {'; '.join(said)}.",
        caption="Test accuracy, GCN minus MLP on the same seeds, with its 95 % interval.",
    )


def propagation(summary: DynamicsSummary) -> Figure | None:
    """Accuracy and seconds of residual propagation beside the networks, one row a graph."""
    if not summary.methods:
        return None
    accuracy = _rows(summary, lambda graph, method: graph.accuracy(method).mean)
    seconds = _rows(summary, lambda graph, method: graph.seconds(method))
    said = [
        f"{graph.facts.name}: {number(graph.accuracy('rp').mean)} and {number(graph.accuracy('gcn').mean)}"
        for graph in summary.graphs
    ]
    return Figure(
        name="propagation",
        plot=Forest(
            (
                ForestPanel("", accuracy, "test accuracy"),
                ForestPanel("", seconds, "seconds of one fit, one thread", log=True),
            ),
            lines=(),
            share_x=False,
        ),
        words=f"Dots of test accuracy and seconds by graph. RP and GCN: {'; '.join(said)}.",
        caption="The power is chosen on validation nodes among "
        f"{join([str(power) for power in summary.options.powers])}; at most {summary.options.steps} steps.",
    )


def _course_panel(graph: GraphSummary) -> Panel:
    series = []
    for name, (network, read) in _LINES.items():
        look = colours.ALIGNMENTS[name]
        shown = band([_by_epoch(run, network, read) for run in graph.runs])
        series.append(course(shown, look.colour, name, marker=look.marker, line=look.line))
    lowest = min((min(each.low or each.y) for each in series if len(each.y)), default=0.0)
    last = max(point.epoch for run in graph.runs for point in run.checkpoints)
    return Panel(
        f"{graph.facts.name} ({two_digits(graph.homophily)})",
        "",
        tuple(series),
        y_limits=(min(0.0, lowest - 0.05) if lowest < 0.0 else 0.0, 1.0),
        x_scale="symlog",
        ticks=tuple((tick, str(tick)) for tick in _TICKS if tick <= last),
        height=1.75,
    )


def _by_epoch(
    run: DynamicsRun, network: Network, read: Callable[[Checkpoint], float | None]
) -> dict[int, float]:
    return {point.epoch: math.nan if (v := read(point)) is None else v for point in run.course(network)}


def _win(graph: GraphSummary, x: float) -> Series:
    gain = graph.difference("gcn", "mlp")
    look = colours.WIN if gain.mean > 0.0 else colours.LOSS
    low, high = ([gain.low], [gain.high]) if gain.seeds > 1 else ([], [])
    return Series("", look.colour, [x], [gain.mean], low, high, line="", marker=look.marker, size=7.0)


def _rows(summary: DynamicsSummary, read: Callable[[GraphSummary, Method], float]) -> tuple[Row, ...]:
    """A row a graph by rising homophily from below, a mark a method."""
    return tuple(
        Row(
            graph.facts.name,
            tuple(
                Mark(read(graph, method), look.colour, marker=look.marker, name=NAMES[method], alpha=0.85)
                for method in summary.methods
                for look in [colours.of_network(method)]
            ),
        )
        for graph in reversed(summary.graphs)
    )
