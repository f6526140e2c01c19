"""Histograms of several samples over the same bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit.colours import FAINT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shares of samples in `bins` between two limits: each a name, values [k], a colour. NaN is left out."""

    samples: tuple[tuple[str, FloatArray, str], ...]
    limits: tuple[float, float]
    x_label: str
    y_label: str
    bins: int = 20

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
        import seaborn as sns

        from gradprobe.reports.kit.plots import canvas

        figure, (axes,) = canvas.panels([2.6], extra=0.8)
        for name, values, colour in self.samples:
            sns.histplot(
                x=values[~np.isnan(values)],
                ax=axes,
                bins=self.bins,
                binrange=self.limits,
                stat="proportion",
                element="step",
                color=colour,
                alpha=0.35,
                label=name,
            )
        axes.axvline(0.0, color=FAINT, linewidth=0.9)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        canvas.legend(figure, [axes], columns=2)
        return figure
