"""Test accuracy against the similarity of gradients, and of representations: a dot a run."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.records.depth import Signal
from gradprobe.reports.depth.claim import Comparison, similarity
from gradprobe.reports.depth.figures.variants import style
from gradprobe.reports.depth.summary import DepthSummary
from gradprobe.reports.kit.canvas import legend, log_scale, panels
from gradprobe.reports.kit.numbers import number

_SIGNALS: tuple[Signal, ...] = ("gradient", "representation")


def draw(summary: DepthSummary, comparison: Comparison) -> Figure:
    """Two panels on the same accuracies; mu on a logarithmic axis, without what is zero or overflowed."""
    figure, axes = panels([2.4, 2.4], extra=0.8)
    for place, signal in zip(axes, _SIGNALS, strict=True):
        for variant in summary.variants:
            _dots(place, summary, comparison, signal, variant)
        if comparison.measure == "mu":
            log_scale(place.xaxis)
        place.set_xlabel(f"{comparison.measure} of the {signal}s, {comparison.moment} of training")
        place.set_ylabel("test accuracy")
        place.set_ylim(0.0, 1.0)
    legend(figure, axes[0])
    return figure


def describe(comparison: Comparison) -> str:
    """The two rank correlations."""
    return (
        f"Dots of test accuracy against {comparison.measure}, {comparison.moment} of training. Rank "
        f"correlation {number(comparison.gradient.value, signed=True)} for gradients and "
        f"{number(comparison.representation.value, signed=True)} for representations."
    )


def _dots(axes: Axes, summary: DepthSummary, comparison: Comparison, signal: Signal, variant: str) -> None:
    look = style(summary.variants, variant)
    runs = [run for cell in summary.cells if cell.variant == variant for run in cell.runs]
    values = np.array(
        [similarity(run, signal, comparison.measure, comparison.place, comparison.moment) for run in runs]
    )
    shown = np.isfinite(values) & (values > 0)
    axes.plot(
        values[shown],
        np.array([run.test for run in runs])[shown],
        look.marker,
        color=look.colour,
        alpha=0.7,
        label=variant,
    )
