"""Heat maps of cosines, with colours centred on zero."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gradprobe.geometry import FloatArray
from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import label
from gradprobe.reports.wording import number

NAMED = 30  # beyond this many rows or columns, names would overlap
_WRITTEN = 8  # up to this many columns, values are written into the cells
_SMALLEST_SCALE = 0.05


def scale(values: FloatArray) -> float:
    """The cosine at which the colours end: the largest in size, at least 0.05."""
    defined = np.abs(values[~np.isnan(values)])
    return max(float(defined.max(initial=0.0)), _SMALLEST_SCALE)


def heat_map(
    axes: Axes, values: FloatArray, rows: list[str], columns: list[str], *, limit: float
) -> AxesImage:
    """Draw cosines [r, c]; undefined cells are hatched grey."""
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colours.DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axes.grid(visible=False)
    axes.set_facecolor("#E5E5E5")
    _name(axes, rows, columns)
    if len(columns) <= _WRITTEN and len(rows) <= NAMED:
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else number(float(value), digits=2)
            colour = "white" if abs(value) > 0.6 * limit else colours.TEXT
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    return image


def colour_bar(figure: Figure, image: AxesImage, axes: list[Axes]) -> None:
    """The scale of the colours, below the panels."""
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=30, pad=0.02)
    bar.set_label("cosine (red: conflict, blue: agreement)")
    bar.outline.set_visible(False)  # type: ignore[operator]


def _name(axes: Axes, rows: list[str], columns: list[str]) -> None:
    for axis, names in ((axes.yaxis, rows), (axes.xaxis, columns)):
        named = names if len(names) <= NAMED else []
        axis.set_ticks(range(len(named)), [label(name, 18) for name in named])
    axes.tick_params(axis="x", rotation=90, length=0)
    axes.tick_params(axis="y", length=0)
    if len(columns) > NAMED:
        axes.set_xlabel(f"{len(columns)} tasks, named in the table")
