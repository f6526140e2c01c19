"""Heat maps of cosines, one panel an encoder, with colours centred on zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import ABSENT

NAMED = 30  # beyond this many rows or columns, names would overlap
_WRITTEN = 8  # up to this many columns, values are written into the cells
_SMALLEST_SCALE = 0.05
_BAR = 0.13  # inches: the height of the scale of colours


@dataclass(frozen=True, eq=False)
class HeatPanel:
    """Cosines [r, c] under a title, with the names of their rows and columns."""

    title: str
    values: FloatArray
    rows: Sequence[str]
    columns: Sequence[str]


def heat_maps(shown: Sequence[HeatPanel], heights: Sequence[float]) -> Figure:
    """One heat map below the other on one scale of colours; undefined cells are grey."""
    figure, (*axes, bar) = panels([*heights, _BAR], extra=0.5 + _space_for_names(shown))
    limit = max(_scale(panel.values) for panel in shown)
    for place, panel in zip(axes, shown, strict=True):
        image = _draw(place, panel, limit)
        place.tick_params(labelbottom=place is axes[-1])
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_xlabel("cosine (red: conflict, blue: agreement)")
    bar.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    return figure


def _scale(values: FloatArray) -> float:
    """The cosine at which the colours end: the largest in size, at least 0.05."""
    defined = np.abs(values[~np.isnan(values)])
    return max(float(defined.max(initial=0.0)), _SMALLEST_SCALE)


def _space_for_names(shown: Sequence[HeatPanel]) -> float:
    columns = shown[0].columns
    return 0.075 * max(len(label(name, 18)) for name in columns) if len(columns) <= NAMED else 0.2


def _draw(axes: Axes, panel: HeatPanel, limit: float) -> AxesImage:
    values = np.ma.masked_invalid(panel.values)
    image = axes.imshow(
        values, cmap=colours.DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
    )
    axes.grid(visible=False)
    axes.set_facecolor("#E5E5E5")
    axes.set_title(panel.title)
    _name(axes, panel)
    if len(panel.columns) <= _WRITTEN and len(panel.rows) <= NAMED:
        _write_values(axes, panel.values, limit)
    return image


def _write_values(axes: Axes, values: FloatArray, limit: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        # Two decimals, not two digits: -0.0094 would not fit into its cell. The table has the digits.
        text = ABSENT if np.isnan(value) else f"{value:.2f}".replace("-", "−")
        colour = "white" if abs(value) > 0.6 * limit else colours.TEXT
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)


def _name(axes: Axes, panel: HeatPanel) -> None:
    for axis, names in ((axes.yaxis, panel.rows), (axes.xaxis, panel.columns)):
        named = names if len(names) <= NAMED else ()
        axis.set_ticks(range(len(named)), [label(name, 18) for name in named])
    axes.tick_params(axis="x", rotation=90, length=0)
    axes.tick_params(axis="y", length=0)
    if len(panel.columns) > NAMED:
        axes.set_xlabel(f"{len(panel.columns)} tasks, named in the table")
