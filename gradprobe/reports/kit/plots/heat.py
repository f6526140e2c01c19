"""Heat maps below each other on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit.colours import DIVERGING, UNDEFINED
from gradprobe.reports.kit.numbers import ABSENT, decimal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 30  # beyond this many rows or columns, names would overlap
_WRITTEN = 8  # up to this many columns, values are written into the cells
_SMALLEST_SCALE = 0.05
_BAR = 0.13  # inches: the height of the scale of colours
_ROW = 0.3
_NUMBERED = 5  # ticks along an axis of numbers


@dataclass(frozen=True, eq=False)
class HeatPanel:
    """Values [r, c] under a title, with the names of their rows and columns; NaN is undefined."""

    title: str
    values: FloatArray
    rows: Sequence[str]
    columns: Sequence[str]


@dataclass(frozen=True, eq=False)
class Heat:
    """Heat maps on one scale, which `scale` names; undefined cells are grey.

    By default the colours are centred on zero, and values are written into maps of few columns.
    `limits` set the ends of the scale, and `numbered` says that rows and columns are numbers in order.
    """

    panels: tuple[HeatPanel, ...]
    scale: str
    colours: str = DIVERGING
    limits: tuple[float, float] | None = None
    x_label: str = ""
    y_label: str = ""
    numbered: bool = False

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
        from matplotlib.ticker import MaxNLocator

        from gradprobe.reports.kit.plots import canvas

        heights = [1.6 if self.numbered else _height(panel) for panel in self.panels]
        figure, (*axes, bar) = canvas.panels([*heights, _BAR], extra=0.5 + self._space_for_names())
        for place, panel in zip(axes, self.panels, strict=True):
            self._draw_panel(place, bar, panel)
            place.tick_params(labelbottom=self.numbered or place is axes[-1])
        axes[-1].set_xlabel(self.x_label or _unnamed(self.panels[-1]))
        bar.set_xlabel(self.scale)
        bar.xaxis.set_major_locator(MaxNLocator(5, symmetric=self.limits is None))
        return figure

    def _draw_panel(self, axes: Axes, bar: Axes, panel: HeatPanel) -> None:
        import seaborn as sns

        from gradprobe.reports.kit.plots.canvas import label

        low, high = self.limits or self._symmetric()
        written = not self.numbered and len(panel.columns) <= _WRITTEN and len(panel.rows) <= NAMED
        bar.clear()
        sns.heatmap(
            panel.values,
            ax=axes,
            cbar_ax=bar,
            cbar_kws={"orientation": "horizontal"},
            cmap=self.colours,
            vmin=low,
            vmax=high,
            mask=np.isnan(panel.values),
            annot=_texts(panel.values) if written else None,
            fmt="",
            annot_kws={"fontsize": 9},
            xticklabels=False,
            yticklabels=False,
            rasterized=True,
        )
        axes.grid(visible=False)
        axes.set_facecolor(UNDEFINED)
        axes.set_title(label(panel.title, 44))
        axes.set_ylabel(self.y_label)
        self._name(axes, panel)

    def _name(self, axes: Axes, panel: HeatPanel) -> None:
        from gradprobe.reports.kit.plots.canvas import label

        for axis, names in ((axes.yaxis, panel.rows), (axes.xaxis, panel.columns)):
            places = np.arange(len(names))
            if self.numbered:
                places = np.unique(
                    np.linspace(0, len(names) - 1, min(len(names), _NUMBERED)).round().astype(int)
                )
            elif len(names) > NAMED:
                places = places[:0]
            axis.set_ticks(places + 0.5, [label(names[place], 18) for place in places.tolist()])
        axes.tick_params(axis="x", rotation=0 if self.numbered else 90, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)

    def _symmetric(self) -> tuple[float, float]:
        """Ends of the scale centred on zero: the largest value in size, at least 0.05."""
        sizes = [float(np.nanmax(np.abs(panel.values), initial=0.0)) for panel in self.panels]
        limit = max(*sizes, _SMALLEST_SCALE)
        return -limit, limit

    def _space_for_names(self) -> float:
        from gradprobe.reports.kit.plots.canvas import label

        columns = self.panels[0].columns
        if self.numbered or len(columns) > NAMED:
            return 0.2
        return 0.075 * max(len(label(name, 18)) for name in columns)


def _height(panel: HeatPanel) -> float:
    return max(0.3 + _ROW * min(len(panel.rows), NAMED), 1.0)


def _unnamed(panel: HeatPanel) -> str:
    return f"{len(panel.columns)} tasks, named in the table" if len(panel.columns) > NAMED else ""


def _texts(values: FloatArray) -> np.ndarray:
    """What is written into the cells: two decimals, as two digits of -0.0094 would not fit."""
    texts = [ABSENT if np.isnan(value) else decimal(value, 2) for value in values.ravel().tolist()]
    return np.array(texts, dtype=object).reshape(values.shape)
