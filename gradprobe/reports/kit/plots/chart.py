"""Courses with bands, and scatters: series of points in panels with two axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gradprobe.reports.kit.colours import FAINT
from gradprobe.reports.statistics.seeds import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scale = Literal["linear", "log", "symlog"]
Limits = tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class Series:
    """Points [k] under a name: a line, or dots where `line` is empty.

    `low` and `high` [k] are a band around a line and error bars on dots; empty where there are none.
    `steps` draws the line in steps, each around its point.
    """

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    line: str = "-"
    marker: str = ""
    size: float = 4.0
    width: float = 1.6
    alpha: float = 1.0
    filled: bool = True
    steps: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """Series in one pair of axes. `levels` and `uprights` are straight lines: value, colour, style.

    `names` stand beside points: x, y, name. `ticks` replace numbers under the x axis by names. `room` is
    left free above the data, as part of its height.
    """

    title: str
    y_label: str
    series: tuple[Series, ...]
    x_label: str = ""
    levels: tuple[tuple[float, str, str], ...] = ()
    uprights: tuple[tuple[float, str, str], ...] = ()
    x_limits: Limits = (None, None)
    y_limits: Limits = (None, None)
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    ticks: tuple[tuple[float, str], ...] = ()
    names: tuple[tuple[float, float, str], ...] = ()
    room: float = 0.0
    margin: float = 0.05
    height: float = 2.3
    unlabelled: bool = False


@dataclass(frozen=True, eq=False)
class Chart:
    """Panels below each other, or in `columns`, with one legend above all of them."""

    panels: tuple[Panel, ...]
    x_label: str = ""
    columns: int = 1
    share_x: bool = True
    share_y: bool = False
    legend_columns: int = 3

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
        from gradprobe.reports.kit.plots import canvas

        figure, axes = canvas.panels(
            [panel.height for panel in self.panels],
            columns=self.columns,
            share_x=self.share_x and len(self.panels) > 1,
            share_y=self.share_y,
            extra=0.8,
        )
        for place, panel in zip(axes, self.panels, strict=True):
            for series in panel.series:
                _draw_series(place, series)
            _draw_axes(place, panel)
        for place in axes[-self.columns :]:
            if self.x_label:
                place.set_xlabel(self.x_label)
            place.tick_params(labelbottom=not self.panels[-1].unlabelled)
        canvas.legend(figure, axes, columns=self.legend_columns)
        return figure


def course(band: Band, colour: str, name: str, *, marker: str = "", line: str = "-") -> Series:
    """A quantity over training: its mean over seeds, and lowest to highest seed as a band."""
    alone = "o" if len(band.steps) == 1 else ""
    spread = bool(band.steps) and max(band.high) > min(band.low)
    return Series(
        name=name,
        colour=colour,
        x=band.steps,
        y=band.mean,
        low=band.low if spread else (),
        high=band.high if spread else (),
        line=line,
        marker=marker or alone,
    )


def _draw_series(axes: Axes, series: Series) -> None:
    from gradprobe.reports.kit.plots.canvas import label

    x, y = np.asarray(series.x, dtype=np.float64), np.asarray(series.y, dtype=np.float64)
    axes.plot(
        x,
        y,
        color=series.colour,
        linestyle=series.line,
        marker=series.marker,
        markersize=series.size,
        markerfacecolor=series.colour if series.filled else "none",
        markeredgewidth=1.0 if series.line or not series.filled else 0.3,
        markeredgecolor=series.colour if series.line or not series.filled else "white",
        linewidth=series.width,
        drawstyle="steps-mid" if series.steps else "default",
        alpha=series.alpha,
        label=label(series.name, 30) if series.name else "_",
    )
    if not len(series.low):
        return
    low, high = np.asarray(series.low, dtype=np.float64), np.asarray(series.high, dtype=np.float64)
    if series.line:
        axes.fill_between(x, low, high, color=series.colour, alpha=0.18, linewidth=0)
    else:
        axes.vlines(x, low, high, color=series.colour, linewidth=1.2)


def _draw_axes(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    from gradprobe.reports.kit.plots import canvas
    from gradprobe.reports.kit.plots.naming import name_points

    for value, colour, style in panel.levels:
        axes.axhline(value, color=colour or FAINT, linestyle=style, linewidth=1.0)
    for value, colour, style in panel.uprights:
        axes.axvline(value, color=colour or FAINT, linestyle=style, linewidth=1.0)
    axes.set_title(canvas.label(panel.title, 48))
    axes.set_ylabel(panel.y_label)
    if panel.x_label:
        axes.set_xlabel(panel.x_label)
    axes.margins(panel.margin)
    axes.set(xscale=panel.x_scale, yscale=panel.y_scale)
    axes.autoscale_view()
    for limits, set_limits in ((panel.x_limits, axes.set_xlim), (panel.y_limits, axes.set_ylim)):
        if limits != (None, None):
            set_limits(*limits)
    if panel.room:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + panel.room * (high - low))
    for scale, axis in ((panel.x_scale, axes.xaxis), (panel.y_scale, axes.yaxis)):
        if scale == "log":
            canvas.log_scale(axis)
    whole = all(float(x).is_integer() for series in panel.series for x in series.x)
    if whole and panel.x_scale == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.ticks:
        axes.set_xticks([value for value, _ in panel.ticks], [name for _, name in panel.ticks])
        axes.set_xticks([], minor=True)
    if panel.unlabelled:
        axes.tick_params(labelleft=False, labelbottom=False)
    if panel.names:
        name_points(axes, [(x, y) for x, y, _ in panel.names], [name for *_, name in panel.names])
