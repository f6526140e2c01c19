"""Strips: a row a thing, with all its values as dots and a bar at their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit.colours import FAINT, TEXT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 600  # dots a row: more hide one another
_JITTER = 0.28  # of a row's height


@dataclass(frozen=True, eq=False)
class Strip:
    """The values [k] of one row, none of them NaN."""

    name: str
    values: FloatArray
    colour: str


@dataclass(frozen=True, eq=False)
class Strips:
    """Rows from above. Dots are spread within their row by a seeded draw, as seaborn's strips cannot be."""

    rows: tuple[Strip, ...]
    x_label: str
    limits: tuple[float, float] | None = None
    line: float | None = None

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
        from gradprobe.reports.kit.plots import canvas

        figure, (axes,) = canvas.panels([0.34 * len(self.rows) + 0.4])
        generator = np.random.default_rng(0)
        for place, row in enumerate(self.rows):
            shown = generator.permutation(row.values)[:_MOST]
            heights = place + generator.uniform(-_JITTER, _JITTER, size=shown.size)
            axes.plot(shown, heights, ".", color=row.colour, alpha=0.3, markersize=3.5)
            if row.values.size:
                ends: Sequence[float] = (place - 0.38, place + 0.38)
                axes.plot([row.values.mean()] * 2, ends, color=TEXT, linewidth=2.0)
        if self.line is not None:
            axes.axvline(self.line, color=FAINT, linewidth=1.0)
        if self.limits is not None:
            axes.set_xlim(*self.limits)
        canvas.name_rows(axes, [row.name for row in self.rows])
        axes.set_xlabel(self.x_label)
        return figure
