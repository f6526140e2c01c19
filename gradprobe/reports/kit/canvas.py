"""The paper that figures are drawn on: size, type, labels; matplotlib's objects without pyplot."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FixedLocator, NullLocator

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.numbers import number, shorten
from gradprobe.reports.statistics.seeds import Band

_FEW_DECADES = 1.5
WIDTH = 5.2  # inches: a column of a paper, and still readable on a phone
_DPI = 180
_MOST_PIXELS = 3600  # tall figures get fewer dots an inch, so that a report stays small
_FONT = "DejaVu Sans"  # comes with matplotlib
_STYLE = {
    "font.family": _FONT,
    "font.size": 11.0,
    "axes.titlesize": 11.5,
    "axes.labelsize": 11.0,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "legend.fontsize": 10.0,
    "legend.frameon": False,
    "text.usetex": False,
    "text.parse_math": False,
    "text.color": colours.TEXT,
    "axes.labelcolor": colours.TEXT,
    "axes.edgecolor": colours.FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "grid.color": colours.GRID,
    "grid.linewidth": 0.6,
    "xtick.color": colours.FAINT,
    "ytick.color": colours.FAINT,
    "xtick.labelcolor": colours.TEXT,
    "ytick.labelcolor": colours.TEXT,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": "standard",
}


@contextmanager
def drawing() -> Iterator[None]:
    """The report's style for the duration of a block; the caller's settings come back after it."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def panels(
    heights: Sequence[float], *, share_x: bool = False, extra: float = 0.5
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel below the other, of these heights and `extra` space in inches."""
    size = (WIDTH, sum(heights) + 0.35 * len(heights) + extra)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(
        len(heights), 1, squeeze=False, sharex=share_x, gridspec_kw={"height_ratios": list(heights)}
    )
    return figure, list(axes[:, 0])


def png(figure: Figure) -> bytes:
    """The figure as a PNG image, the same bytes for the same figure."""
    FigureCanvasAgg(figure)
    target = io.BytesIO()
    dots = min(_DPI, _MOST_PIXELS / figure.get_figheight())
    figure.savefig(target, format="png", dpi=dots, metadata={"Software": None})
    return target.getvalue()


def label(name: str, length: int = 24) -> str:
    """A name for a figure: on one line, shortened in its middle, signs that the font lacks replaced."""
    line = " ".join(name.split())
    return shorten("".join(sign if ord(sign) in _signs() else "□" for sign in line), length)


def course(axes: Axes, band: Band, colour: str, name: str, *, marker: str = "", style: str = "-") -> None:
    """Draw a quantity over training: its mean over seeds, and lowest to highest seed as a band."""
    if not band.steps:
        return
    alone = "o" if len(band.steps) == 1 else ""
    axes.plot(band.steps, band.mean, color=colour, label=name, marker=marker or alone, linestyle=style)
    if np.asarray(band.high).max() > np.asarray(band.low).min():
        axes.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.2, linewidth=0)


def log_scale(axis: Axis) -> None:
    """A logarithmic axis over the limits already set, whose ticks read as the report's numbers."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    low, high = np.log10(axis.get_view_interval())
    powers = np.arange(np.floor(low), np.ceil(high) + 1)
    if high - low < _FEW_DECADES:
        ticks = (10.0 ** powers[:, None] * np.array([1.0, 2.0, 5.0])).ravel()
    else:
        ticks = 10.0 ** powers[:: 1 + len(powers) // 6]
    axis.set_major_locator(FixedLocator(ticks[(ticks >= 10**low) & (ticks <= 10**high)]))
    axis.set_major_formatter(lambda value, _: number(value, digits=1).replace("1×10", "10"))
    axis.set_minor_locator(NullLocator())


def legend(figure: Figure, axes: Axes) -> None:
    """One legend above all panels, for the lines of one of them."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def headroom(axes: Axes, *, share: float = 0.15) -> None:
    """Widen the vertical limits a little, so that a legend or label does not cover the data."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + share * (high - low))


@cache
def _signs() -> frozenset[int]:
    return frozenset(FT2Font(findfont(_FONT)).get_charmap())
