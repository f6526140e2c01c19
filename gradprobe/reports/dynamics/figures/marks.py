"""One colour, shape and name for one thing, in every figure of a dynamics report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes

from gradprobe.reports.dynamics.records import Method
from gradprobe.reports.dynamics.summary import GraphSummary
from gradprobe.reports.figures.canvas import label


@dataclass(frozen=True)
class Mark:
    """How something is drawn, and what it is called."""

    colour: str
    shape: str
    name: str
    line: str = "-"


KERNEL_GRAPH = Mark("#0072B2", "o", "GCN kernel with graph")
KERNEL_TARGET = Mark("#D55E00", "s", "GCN kernel with labels")
MLP_TARGET = Mark("#8C6D1F", "^", "MLP kernel with labels", "--")
GRAPH_TARGET = Mark("#000000", "D", "graph with labels", ":")
ACCURACY = Mark("#009E73", "", "GCN test accuracy", "-.")
METHODS: Mapping[Method, Mark] = {
    "gcn": Mark("#0072B2", "o", "GCN"),
    "mlp": Mark("#8C6D1F", "^", "MLP"),
    "rp": Mark("#D55E00", "s", "RP"),
    "rp_kernel": Mark("#CC79A7", "D", "RP + kernel"),
}


def graph_name(graph: GraphSummary) -> str:
    """A graph's name for a figure."""
    return label(graph.facts.name, 14)


def name_points(axes: Axes, places: list[tuple[float, float]], names: list[str]) -> None:
    """Names beside points, on alternating sides, so that neighbours are less likely to cover each other."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    for rank, i in enumerate(order):
        up = rank % 2 == 0
        axes.annotate(
            names[i],
            places[i],
            xytext=(4, 5 if up else -5),
            textcoords="offset points",
            fontsize=8.0,
            va="bottom" if up else "top",
        )
