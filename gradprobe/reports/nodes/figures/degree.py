"""Whether nodes in conflict stand at special places of the graph: the paper's Figure 7."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.averages import mean_defined
from gradprobe.reports.figures.canvas import log_scale, panels
from gradprobe.reports.nodes.summary import NodesSummary, Snapshot
from gradprobe.reports.wording import number

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
            (found.degree * (1.0 + noise[0]))[chosen], (found.clustering + noise[1])[chosen],
            s=size, c=colour, marker=marker, linewidths=0.3, edgecolors="white", label=name, alpha=0.85,
        )  # fmt: skip
    log_scale(panel.xaxis)
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


def _means(found: Snapshot, chosen: np.ndarray) -> str:
    degree = float(mean_defined(found.degree[chosen].astype(np.float64)))
    clustering = float(mean_defined(found.clustering[chosen]))
    return f"mean degree {number(degree)}, mean clustering {number(clustering)}"
