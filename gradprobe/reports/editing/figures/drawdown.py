"""Accuracy lost against edits made, one panel for test and one for training, one line a method."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.reports.averages import Band, band
from gradprobe.reports.editing.figures.looks import COLOURS, line
from gradprobe.reports.editing.records import NAMES
from gradprobe.reports.editing.summary import Drawdown, MethodSummary
from gradprobe.reports.figures.canvas import course, legend, panels
from gradprobe.reports.wording import number


def draw(methods: tuple[MethodSummary, ...]) -> Figure:
    """Means over seeds; the band is lowest to highest seed."""
    figure, (test, train) = panels([2.6, 2.0], share_x=True, extra=0.9)
    for found in methods:
        _line(test, found, found.test)
        _line(train, found, found.train)
    test.set_ylabel("test accuracy lost")
    train.set_ylabel("training accuracy lost")
    train.set_xlabel("edits made")
    legend(figure, test)
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
