"""What single edits cost, each on the trained model: one row a method, one dot an edit."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.records.editing import NAMES
from gradprobe.reports.editing.figures.looks import COLOURS
from gradprobe.reports.editing.summary import MethodSummary
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import number


def draw(methods: tuple[MethodSummary, ...]) -> Figure:
    """Test accuracy lost by each edit of each seed; the bar is the mean."""
    figure, (axes,) = panels([0.42 * len(methods) + 0.5])
    generator = np.random.default_rng(0)
    for place, found in enumerate(methods):
        values = _losses(found)
        height = place + generator.uniform(-0.28, 0.28, size=values.size)
        axes.plot(values, height, ".", color=COLOURS[found.method], alpha=0.35, markersize=4)
        axes.plot([values.mean()] * 2, [place - 0.38, place + 0.38], color="#222222", linewidth=2.2)
    axes.set_yticks(range(len(methods)), [NAMES[found.method] for found in methods])
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy lost by one edit")
    return figure


def describe(methods: tuple[MethodSummary, ...]) -> str:
    """Mean and largest loss of each method."""
    said = "; ".join(
        f"{NAMES[found.method]} {number(_losses(found).mean())}, at worst {number(_losses(found).max())}"
        for found in methods
    )
    return f"Dots of the test accuracy lost by single edits, one row a method. On average: {said}."


def _losses(found: MethodSummary) -> np.ndarray:
    return np.array([value for drawdown in found.test for value in drawdown.course])
