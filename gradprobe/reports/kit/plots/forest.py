"""A forest plot: a row a thing, with its values and their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradprobe.reports.kit.colours import FAINT, GRID
from gradprobe.reports.kit.numbers import Ranged
from gradprobe.reports.statistics.seeds import NAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EDGE, _ARROW = 1.1, 1.06  # of the axis' half width, so that a dot at its end covers no arrow


@dataclass(frozen=True)
class Mark:
    """A value in a row, with the two ends of its line; NaN where it has none.

    `shift` moves it down by that part of the row; `name` puts its look into the legend.
    """

    value: float
    colour: str
    low: float = NAN
    high: float = NAN
    marker: str = "o"
    filled: bool = True
    size: float = 6.0
    width: float = 2.0
    alpha: float = 1.0
    shift: float = 0.0
    name: str = ""


@dataclass(frozen=True)
class Row:
    """A name and the marks beside it."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class ForestPanel:
    """Rows from above under a title.

    `shaded` is half the width of a band around zero; `line` is a dotted line of this panel's own.
    """

    title: str
    rows: tuple[Row, ...]
    x_label: str = ""
    shaded: float = 0.0
    line: float | None = None
    log: bool = False


@dataclass(frozen=True)
class Forest:
    """Panels below each other; `lines` are vertical ones, each a value and a style.

    `reach`: the axis ends there on both sides, and what lies beyond is drawn at its end with an arrow.
    """

    panels: tuple[ForestPanel, ...]
    x_label: str = ""
    lines: tuple[tuple[float, str], ...] = ((0.0, "-"),)
    limits: tuple[float, float] | None = None
    reach: float = math.inf
    share_x: bool = True
    row_height: float = 0.3

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
        from gradprobe.reports.kit.plots import canvas

        heights = [0.4 + self.row_height * len(panel.rows) for panel in self.panels]
        named = any(mark.name for panel in self.panels for row in panel.rows for mark in row.marks)
        figure, axes = canvas.panels(heights, share_x=self.share_x, extra=0.8 if named else 0.5)
        for place, panel in zip(axes, self.panels, strict=True):
            self._draw_panel(place, panel)
            canvas.name_rows(place, [row.name for row in panel.rows])
            place.set_title(canvas.label(panel.title, 44))
            place.set_xlabel(panel.x_label or (self.x_label if place is axes[-1] else ""))
        if named:
            canvas.legend(figure, axes)
        return figure

    def _draw_panel(self, axes: Axes, panel: ForestPanel) -> None:
        from gradprobe.reports.kit.plots.canvas import log_scale

        if panel.shaded:
            axes.axvspan(-panel.shaded, panel.shaded, color=GRID, alpha=0.6, linewidth=0)
        for place, row in enumerate(panel.rows):
            for mark in row.marks:
                self._draw_mark(axes, mark, place + mark.shift)
        own = ((panel.line, ":"),) if panel.line is not None else ()
        for value, style in (*self.lines, *own):
            axes.axvline(value, color=FAINT, linestyle=style, linewidth=1.0)
        if math.isfinite(self.reach):
            axes.set_xlim(-_EDGE * self.reach, _EDGE * self.reach)
        elif self.limits is not None:
            axes.set_xlim(*self.limits)
        if panel.log:
            log_scale(axes.xaxis)

    def _draw_mark(self, axes: Axes, mark: Mark, height: float) -> None:
        from gradprobe.reports.kit.plots.canvas import label

        ends = (mark.low, mark.high)
        if not any(map(math.isnan, ends)):
            within = [_clipped(end, _ARROW * self.reach) for end in ends]
            axes.plot(within, [height] * 2, color=mark.colour, linewidth=mark.width, alpha=mark.alpha)
            for end, drawn, arrow in zip(ends, within, "<>", strict=True):
                if abs(end) > self.reach:
                    axes.plot([drawn], [height], arrow, color=mark.colour, markersize=6)
        if not math.isnan(mark.value):
            axes.plot(
                [_clipped(mark.value, self.reach)],
                [height],
                mark.marker,
                color=mark.colour,
                markersize=mark.size,
                markerfacecolor=mark.colour if mark.filled else "white",
                markeredgewidth=2.5 if mark.marker == "|" else 1.0,
                alpha=mark.alpha,
                linestyle="",
                label=label(mark.name) if mark.name else "_",
            )


def paired_mark(found: Ranged, colour: str) -> Mark:
    """A difference over paired seeds with its interval; one seed gives a hollow dot without one."""
    several = found.seeds > 1
    low, high = (found.low, found.high) if several else (NAN, NAN)
    return Mark(found.mean, colour, low, high, filled=several, size=7.0, width=2.2)


def _clipped(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
