"""What gradient attention does to the messages of one node in conflict: the paper's Figure 8."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import count, number
from gradprobe.reports.nodes.summary import NodesSummary, Star

_SHOWN = 20  # neighbours; beyond, the names would overlap


def draw(summary: NodesSummary) -> Figure | None:
    """The weight of each neighbour's message beside the same weight for all."""
    star = _star(summary)
    if star is None:
        return None
    order = np.argsort(-np.array(star.weights), kind="stable")[:_SHOWN]
    weights = [star.weights[i] for i in order]
    figure, (panel,) = panels([0.6 + 0.24 * len(weights)])
    bars = panel.barh(
        range(len(weights)),
        weights,
        color=[colours.CONFLICT if star.conflicting[i] else colours.CALM for i in order],
    )
    for bar, i in zip(bars, order, strict=True):
        bar.set_hatch("///" if star.conflicting[i] else "")
        bar.set_edgecolor("white")
    panel.axvline(1.0 / len(star.weights), color=colours.TEXT, linestyle="--", linewidth=1.0)
    panel.set_yticks(range(len(weights)), [f"node {star.neighbours[i]}" for i in order])
    panel.set_ylim(len(weights) - 0.5, -0.5)
    panel.set_title(f"Messages to node {star.node}, which is in conflict")
    panel.set_xlabel("weight (dashed: the same for all; hatched: in conflict)")
    return figure


def describe(summary: NodesSummary) -> str:
    """The range of the weights."""
    star = _star(summary)
    assert star is not None
    return (
        f"Bars of the weights of {count(len(star.weights), 'neighbour')} of node {star.node}, from "
        f"{number(min(star.weights))} to {number(max(star.weights))}; without attention each has "
        f"{number(1.0 / len(star.weights))}."
    )


def _star(summary: NodesSummary) -> Star | None:
    return summary.snapshot.star if summary.snapshot is not None else None
