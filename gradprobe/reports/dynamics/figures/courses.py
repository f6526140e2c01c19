"""Alignments over training against accuracy, one panel a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gradprobe.records.dynamics import Checkpoint, DynamicsRun, Network
from gradprobe.reports.dynamics.figures import marks
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit.canvas import WIDTH, course
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.statistics.seeds import band

_COLUMNS = 2
_HEIGHT = 1.75


def draw(summary: DynamicsSummary) -> Figure | None:
    """Means over seeds, lowest to highest seed as bands; the scale widens the first epochs."""
    if not summary.graphs:
        return None
    rows = -(-len(summary.graphs) // _COLUMNS)
    figure = Figure(figsize=(WIDTH, _HEIGHT * rows + 1.0), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for panel in axes.ravel()[len(summary.graphs) :]:
        panel.set_visible(False)
    for panel, graph in zip(axes.ravel(), summary.graphs, strict=False):
        _draw_graph(panel, graph)
    for panel in axes.ravel()[max(len(summary.graphs) - _COLUMNS, 0) : len(summary.graphs)]:
        panel.set_xlabel("epoch")
        panel.tick_params(labelbottom=True)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def describe(summary: DynamicsSummary) -> str:
    """First and last alignment of the GCN's kernel with the graph and the labels."""
    said = []
    for graph in summary.graphs:
        parts = [
            f"{words} from {number(_mean(graph, 0, name))} to {number(_mean(graph, -1, name))}"
            for name, words in (("kernel_graph", "graph"), ("kernel_target", "labels"))
        ]
        said.append(f"{graph.facts.name}: {', '.join(parts)}")
    return f"Lines over epochs of the alignment of the GCN's kernel. {'; '.join(said)}."


def _draw_graph(panel: Axes, graph: GraphSummary) -> None:
    lines: list[tuple[marks.Mark, Network, Callable[[Checkpoint], float | None]]] = [
        (marks.KERNEL_GRAPH, "gcn", lambda point: point.centred.kernel_graph),
        (marks.KERNEL_TARGET, "gcn", lambda point: point.centred.kernel_target),
        (marks.MLP_TARGET, "mlp", lambda point: point.centred.kernel_target),
        (marks.GRAPH_TARGET, "gcn", lambda point: point.centred.graph_target),
        (marks.ACCURACY, "gcn", lambda point: point.test),
    ]
    for mark, network, read in lines:
        shown = band([_by_epoch(run, network, read) for run in graph.runs])
        course(panel, shown, mark.colour, mark.name, marker=mark.shape, style=mark.line)
    panel.set_xscale("symlog", linthresh=2.0)
    last = max(point.epoch for run in graph.runs for point in run.checkpoints)
    panel.xaxis.set_major_locator(FixedLocator(_ticks(last)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter("{x:.0f}")
    panel.set_ylim(min(0.0, panel.get_ylim()[0]), 1.0)
    homophily = number(graph.homophily, digits=2)
    panel.set_title(f"{marks.graph_name(graph)} ({homophily})", fontsize=10.0)


def _by_epoch(
    run: DynamicsRun, network: Network, read: Callable[[Checkpoint], float | None]
) -> dict[int, float]:
    return {point.epoch: np.nan if (v := read(point)) is None else v for point in run.course(network)}


def _ticks(last: int) -> Sequence[int]:
    return [tick for tick in (0, 3, 10, 30, 100, 300, 1000, 3000, 10_000) if tick <= last]


def _mean(graph: GraphSummary, place: int, name: str) -> float:
    values = list(graph.at("gcn", name, place).values())  # type: ignore[arg-type]
    return float(np.mean(values))
