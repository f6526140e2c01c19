"""Whether nodes in conflict stand at special places of the graph: the paper's Figure 7."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.nodes.summary import NodesSummary, Snapshot
from gradprobe.reports.statistics.seeds import mean_defined

_SPREAD = 0.03  # many nodes share degree and clustering: dots are moved a little, so that all are seen


def draw(summary: NodesSummary) -> Figure | None:
    """Degree against clustering coefficient; a node with fewer than two neighbours has none."""
    found = summary.snapshot
    if found is None or not found.moments:
        return None
    defined = ~np.isnan(found.clustering)
    if not defined.any():
        return None
    torn = found.moments[-1].conflicting
    noise = np.random.default_rng(0).uniform(-_SPREAD, _SPREAD, size=(2, len(torn)))
    size = 30.0 if len(torn) < 300 else 12.0
    figure, (panel,) = panels([3.0], extra=0.9)
    for chosen, colour, marker, name in (
        (defined & ~torn, colours.CALM, "o", "no conflict"),
        (defined & torn, colours.CONFLICT, "X", "in conflict"),
    ):
        panel.scatter(
            (found.degree * (1.0 + noise[0]))[chosen],
            (found.clustering + noise[1])[chosen],
            s=size * (2.2 if marker == "X" else 1.0),
            c=colour,
            marker=marker,
            linewidths=0.3,
            edgecolors="white",
            label=name,
            alpha=0.85,
        )
    _scale(panel)
    panel.set_xlabel("degree (number of neighbours)")
    panel.set_ylabel("clustering coefficient")
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2)
    return figure


def describe(summary: NodesSummary) -> str:
    """Mean degree and clustering of the nodes in conflict and of the others."""
    found = summary.snapshot
    assert found is not None
    torn = found.moments[-1].conflicting
    return f"Scatter of nodes. In conflict: {_means(found, torn)}. Others: {_means(found, ~torn)}."


def _scale(axes: Axes) -> None:
    """A logarithmic axis of degrees, with ticks at 1, 2, 5, 10, ..."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())


def _means(found: Snapshot, chosen: np.ndarray) -> str:
    degree = float(mean_defined(found.degree[chosen].astype(np.float64)))
    clustering = float(mean_defined(found.clustering[chosen]))
    return f"mean degree {number(degree)}, mean clustering {number(clustering)}"
