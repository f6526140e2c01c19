"""Lines over epochs, one a method: told apart by colour and by stroke."""

from __future__ import annotations

from matplotlib.axes import Axes

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import course, label
from gradprobe.reports.nodes.summary import BASE, RunSummary
from gradprobe.reports.statistics.seeds import Band

_STROKES = {BASE: "--", "gragr": "-", "gragr++": "-."}


def draw_course(axes: Axes, run: RunSummary, band: Band) -> None:
    """A quantity of a run over epochs in the colour and stroke of its method."""
    colour, stroke = colours.of_node_method(run.method), stroke_of(run.method)
    course(axes, band, colour, label(run.method), style=stroke)


def stroke_of(method: str) -> str:
    """The stroke of a method's lines."""
    return _STROKES.get(method, ":")
