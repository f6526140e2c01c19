"""The paper that plots are drawn on: size, type, labels; matplotlib's objects without pyplot."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit.colours import FAINT, GRID, TEXT
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.kit.words import shorten

WIDTH = 5.2  # inches: a column of a paper, and still readable on a phone
_FEW_DECADES = 1.5
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
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    "savefig.facecolor": "white",
    "savefig.bbox": "standard",
}


@contextmanager
def drawing() -> Iterator[None]:
    """The style of reports for the duration of a block; the caller's settings come back after it."""
    with mpl.rc_context({**sns.axes_style("whitegrid"), **_STYLE}):  # type: ignore[dict-item]
        yield


def png(figure: Figure) -> bytes:
    """The figure as a PNG image, the same bytes for the same figure."""
    FigureCanvasAgg(figure)
    target = io.BytesIO()
    dots = min(_DPI, _MOST_PIXELS / figure.get_figheight())
    figure.savefig(target, format="png", dpi=dots, metadata={"Software": None})
    return target.getvalue()


def panels(
    heights: Sequence[float],
    *,
    columns: int = 1,
    share_x: bool = False,
    share_y: bool = False,
    extra: float = 0.5,
) -> tuple[Figure, list[Axes]]:
    """A figure with panels row by row, of these heights and `extra` space in inches."""
    rows = heights[::columns]
    figure = Figure(figsize=(WIDTH, sum(rows) + 0.35 * len(rows) + extra), layout="constrained")
    axes = figure.subplots(
        len(rows),
        columns,
        squeeze=False,
        sharex=share_x,
        sharey=share_y,
        gridspec_kw={"height_ratios": list(rows)},
    ).ravel()
    for unused in axes[len(heights) :]:
        unused.set_visible(False)
    return figure, list(axes[: len(heights)])


def label(name: str, length: int = 24) -> str:
    """A name for a plot: on one line, shortened in its middle, signs that the font lacks replaced."""
    line = " ".join(name.split())
    return shorten("".join(sign if ord(sign) in _signs() else "□" for sign in line), length)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names of rows at 0, 1, ... from above."""
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def log_scale(axis: Axis) -> None:
    """A logarithmic axis over the limits already set, whose ticks read as the report's numbers."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    low, high = np.log10(axis.get_view_interval())
    ticks = _log_ticks(float(low), float(high))
    digits = 1 if all(np.isclose(tick, float(f"{tick:.0e}")) for tick in ticks) else 2
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(lambda value, _: number(value, digits=digits).replace("1×10", "10"))
    axis.set_minor_locator(NullLocator())


def legend(figure: Figure, axes: Iterable[Axes], *, columns: int = 3) -> None:
    """One legend above all panels, with each name once."""
    named = {
        name: handle
        for panel in axes
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if named:
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=columns)


def _log_ticks(low: float, high: float) -> FloatArray:
    """Ticks between powers of ten: whole ones over decades, else the roundest that give three or more."""
    powers = np.arange(np.floor(low), np.ceil(high) + 1)
    if high - low >= _FEW_DECADES:
        steps = [10.0 ** powers[:: 1 + len(powers) // 6]]
    else:
        digits = ([1.0, 2.0, 5.0], np.arange(1.0, 10.0))
        steps = [(10.0 ** powers[:, None] * np.asarray(each)).ravel() for each in digits]
        steps.append(np.asarray(MaxNLocator(5).tick_values(10.0**low, 10.0**high)))
    inside = [each[(each >= 10.0**low) & (each <= 10.0**high)] for each in steps]
    return next((each for each in inside if len(each) > 2), inside[-1])


@cache
def _signs() -> frozenset[int]:
    return frozenset(FT2Font(findfont(_FONT)).get_charmap())
