"""Accuracy lost against edits made, on test and on training nodes, one line a method."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.records.editing import NAMES
from gradprobe.reports.editing.figures.looks import COLOURS, line
from gradprobe.reports.editing.summary import Drawdown, MethodSummary
from gradprobe.reports.kit.canvas import course, legend, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.statistics.seeds import Band, band


def draw(methods: tuple[MethodSummary, ...]) -> Figure:
    """Means over seeds; the band is lowest to highest seed. EGNN has a test panel of its own."""
    plain = [found for found in methods if not found.method.startswith("egnn")]
    side = [found for found in methods if found.method.startswith("egnn")]
    groups = [group for group in (plain, side) if group]
    figure, axes = panels([2.2] * len(groups) + [2.0], share_x=True, extra=0.9)
    for pane, group in zip(axes[:-1], groups, strict=True):
        for found in group:
            _line(pane, found, found.test)
        pane.set_ylabel("test accuracy lost")
    for found in methods:
        _line(axes[-1], found, found.train)
    axes[-1].set_ylabel("training accuracy lost")
    axes[-1].set_xlabel("edits made")
    legend(figure, axes[-1])
    return figure


def describe(methods: tuple[MethodSummary, ...]) -> str:
    """What is lost after the last edit that all seeds made."""
    said = "; ".join(
        f"{NAMES[found.method]} {number(_band(found.test).mean[-1])}"
        for found in methods
        if _band(found.test).mean
    )
    return f"Lines of accuracy lost against edits made. Test accuracy lost after the last edit: {said}."


def _line(axes: Axes, found: MethodSummary, drawdowns: tuple[Drawdown, ...]) -> None:
    course(axes, _band(drawdowns), COLOURS[found.method], NAMES[found.method], style=line(found.method))


def _band(drawdowns: tuple[Drawdown, ...]) -> Band:
    return band([dict(enumerate(found.course, start=1)) for found in drawdowns])
