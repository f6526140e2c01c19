"""Layer by epoch: one heat map an architecture, at one depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gradprobe.geometry import FloatArray
from gradprobe.records.depth import DepthRun, Signal, course, grid
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import number

Shown = Literal["similarity", "norm"]
_BAR = 0.13  # inches: the height of the scale of colours
_UNDEFINED = "#E5E5E5"
_DECADES = 12.0
_TICKS = 5


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Values [p, l] of one architecture at p measured epochs and l layers."""

    title: str
    values: FloatArray
    epochs: Sequence[int]


def heat_map(run: DepthRun, signal: Signal, shown: Shown) -> HeatMap:
    """The relative mu of a signal in one run, the smaller of its two senses, or log10 of its norm."""
    found = course(run, signal)
    if shown == "similarity":
        values = np.minimum(grid(found.relative), grid(found.smooth))
    else:
        norms = grid(found.norm)
        values = np.full(norms.shape, np.nan)
        np.log10(norms, out=values, where=norms > 0)
    return HeatMap(run.key.variant, values, run.measured)


def draw(maps: Sequence[HeatMap], shown: Shown, signal: Signal) -> Figure:
    """The maps below each other on one scale of colours, first layer at the top; undefined is grey."""
    figure, (*axes, bar) = panels([1.6] * len(maps) + [_BAR], extra=0.6)
    low, high = (0.0, 1.0) if shown == "similarity" else _range(maps)
    for place, found in zip(axes, maps, strict=True):
        image = _draw(place, found, low, high)
    axes[-1].set_xlabel("epoch")
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_xlabel(
        f"relative mu of the {signal}s (dark: rows alike)"
        if shown == "similarity"
        else f"log10 of the norm of the {signal}s"
    )
    return figure


def describe(maps: Sequence[HeatMap], shown: Shown, signal: Signal) -> str:
    """What the maps hold when training ends, at both ends of the network."""
    what = "relative mu" if shown == "similarity" else "log10 of the norm"
    last = "; ".join(
        f"{found.title}: {number(float(found.values[-1][0]))} at the first layer, "
        f"{number(float(found.values[-1][-1]))} at the last"
        for found in maps
    )
    return f"Heat maps, layer by epoch, of the {what} of the {signal}s. At the end of training, {last}."


def _range(maps: Sequence[HeatMap]) -> tuple[float, float]:
    """The limits of the colours: all values, or the highest dozen of decades."""
    values = np.concatenate([found.values[np.isfinite(found.values)] for found in maps])
    if not values.size:
        return 0.0, 1.0
    high = float(values.max())
    return max(float(values.min()), high - _DECADES), high


def _draw(axes: Axes, found: HeatMap, low: float, high: float) -> AxesImage:
    image = axes.imshow(
        np.ma.masked_invalid(found.values.T),
        cmap="viridis",
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="none",
    )
    axes.grid(visible=False)
    axes.set_facecolor(_UNDEFINED)
    axes.set_title(label(found.title, 40))
    axes.set_ylabel("layer")
    epochs, layers = found.values.shape
    columns = np.unique(np.linspace(0, epochs - 1, min(epochs, _TICKS)).round().astype(int))
    axes.set_xticks(columns, [str(found.epochs[column]) for column in columns])
    rows = np.unique(np.linspace(0, layers - 1, min(layers, _TICKS)).round().astype(int))
    axes.set_yticks(rows, [str(row + 1) for row in rows])
    return image
