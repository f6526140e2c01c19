"""Cosines of edits with their anchors, before and after rewiring: two rows a method."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.records.editing import NAMES
from gradprobe.reports.editing.figures.looks import COLOURS
from gradprobe.reports.editing.summary import MethodSummary, cosines
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import number

_MOST = 600  # dots a row: more hide one another


def draw(methods: tuple[MethodSummary, ...]) -> Figure:
    """A dot an edit and anchor, at the edit's first step; the bar is the mean. Left of zero is conflict."""
    rows = [row for found in methods for row in _rows(found)]
    figure, (axes,) = panels([0.31 * len(rows) + 0.4])
    generator = np.random.default_rng(0)
    for place, (_, values, colour) in enumerate(rows):
        shown = generator.permutation(values)[:_MOST]
        height = place + generator.uniform(-0.3, 0.3, size=shown.size)
        axes.plot(shown, height, ".", color=colour, alpha=0.25, markersize=3)
        if values.size:
            axes.plot([values.mean()] * 2, [place - 0.4, place + 0.4], color="#222222", linewidth=2.0)
    axes.axvline(0.0, color="#777777", linewidth=1.0)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(-1.0, 1.0)
    axes.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    axes.set_xlabel("cosine with an anchor")
    return figure


def describe(methods: tuple[MethodSummary, ...]) -> str:
    """The share of conflicts of each method, before and after."""
    said = "; ".join(
        f"{NAMES[found.method]} {number(found.opposed_before.mean)} before, "
        f"{number(found.opposed_after.mean)} after"
        for found in methods
    )
    return f"Dots of the cosines of edits with their anchors. Share of anchors opposed: {said}."


def _rows(found: MethodSummary) -> list[tuple[str, np.ndarray, str]]:
    """Name, cosines and colour of each row; what rewires nothing has one."""
    name, colour = NAMES[found.method], COLOURS[found.method]
    before, after = _pairs(found)
    if found.method in {"gd", "egnn"}:
        return [(name, before, colour)]
    return [(f"{name}, before", before, colour), ("after", after, colour)]


def _pairs(found: MethodSummary) -> tuple[np.ndarray, np.ndarray]:
    """Defined cosines of all seeds before and after rewiring."""
    pairs = [cosines(run) for run in found.runs]
    before, after = (np.concatenate([pair[side] for pair in pairs] or [np.zeros(0)]) for side in (0, 1))
    return before[~np.isnan(before)], after[~np.isnan(after)]
