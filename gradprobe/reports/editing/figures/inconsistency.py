"""Gradients of single nodes against the training gradient: angle and discrepancy, a dot a node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.records.editing import NAMES, EditRun, NodeGradient
from gradprobe.reports.editing.figures.looks import RIGHT, WRONG
from gradprobe.reports.editing.summary import EditSummary
from gradprobe.reports.kit.canvas import legend, log_scale, panels


def draw(summary: EditSummary) -> Figure:
    """Nodes predicted wrongly, and as many predicted right, of all seeds; one panel a model."""
    figure, panes = panels([2.3] * len(summary.models), share_x=True, extra=0.8)
    for axes, model in zip(panes, summary.models, strict=True):
        cells = [run for run in summary.runs if run.key.model == model]
        for right, colour, marker, name in (
            (True, RIGHT, "s", "predicted right"),
            (False, WRONG, "o", "predicted wrongly (targets)"),
        ):
            _dots(axes, _shown(cells, right=right), colour, marker, name)
        axes.axvline(0.0, color="#777777", linewidth=1.0)
        axes.set_title(NAMES[model])
        axes.set_ylabel("relative discrepancy")
        axes.set_xlim(-1.0, 1.0)
        log_scale(axes.yaxis)
    panes[-1].set_xlabel("cosine of a node's gradient with the training gradient")
    legend(figure, panes[0])
    return figure


def describe(summary: EditSummary) -> str:
    """Median discrepancy and cosine of both groups, for each model."""
    said = "; ".join(
        f"{NAMES[found.model]}: discrepancy {found.relative[0].mean:.3g} of wrong against "
        f"{found.relative[1].mean:.3g} of right predictions, cosine {found.cosine[0].mean:.2f} against "
        f"{found.cosine[1].mean:.2f}"
        for found in summary.inconsistency
    )
    return f"Scatter of nodes by the cosine and the relative discrepancy of their gradient. Medians: {said}."


def _shown(cells: Sequence[EditRun], *, right: bool) -> list[NodeGradient]:
    nodes = [node for cell in cells for node in cell.gradients if node.right is right]
    return [node for node in nodes if node.cosine is not None and node.relative]


def _dots(axes: Axes, nodes: list[NodeGradient], colour: str, marker: str, name: str) -> None:
    x, y = (np.array([getattr(node, field) for node in nodes]) for field in ("cosine", "relative"))
    axes.plot(x, y, marker, color=colour, alpha=0.45, markersize=3.5, markeredgewidth=0, label=name)
