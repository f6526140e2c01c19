"""The figures of a depth report: accuracy by depth, layer by epoch, and similarity against accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.records.depth import DepthRun, Signal, course, grid
from gradprobe.reports.depth.claim import SimilarityComparison, similarity
from gradprobe.reports.depth.summary import DepthSummary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, ranged, signed
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series
from gradprobe.reports.kit.plots.heat import Heat, HeatPanel
from gradprobe.reports.kit.words import count, join

Shown = Literal["similarity", "norm"]
_SIGNALS: tuple[Signal, ...] = ("gradient", "representation")
_DECADES = 12.0


def accuracy(summary: DepthSummary) -> Figure | None:
    """Test accuracy against depth, one line an architecture; the dotted line is the largest class."""
    if not summary.cells:
        return None
    places = {layers: place for place, layers in enumerate(summary.depths)}
    series, said = [], []
    for variant in summary.variants:
        look = colours.of_architecture(summary.variants, variant)
        cells = sorted((c for c in summary.cells if c.variant == variant), key=lambda cell: cell.layers)
        series.append(
            Series(
                variant,
                look.colour,
                [places[cell.layers] for cell in cells],
                [cell.test.mean for cell in cells],
                [cell.test.low for cell in cells],
                [cell.test.high for cell in cells],
                line=look.line,
                marker=look.marker,
            )
        )
        said.append(f"{variant}: {join([f'{c.layers} layers {ranged(c.test)}' for c in cells])}")
    panel = Panel(
        "",
        "test accuracy",
        tuple(series),
        levels=((summary.graph.largest_class, "", ":"),),
        y_limits=(0.0, 1.0),
        ticks=tuple((place, str(layers)) for layers, place in places.items()),
        height=2.8,
    )
    return Figure(
        name="accuracy",
        plot=Chart((panel,), "layers (evenly spaced, not to scale)"),
        words="Lines of test accuracy against the number of layers. " + "; ".join(said) + ".",
        caption="Mean over seeds; band: lowest to highest seed; dotted: always naming the largest class. "
        "At two layers there is nothing to skip: plain and residual are the same network.",
    )


def heat(summary: DepthSummary, signal: Signal, shown: Shown, caption: str = "") -> Figure | None:
    """Layer by epoch, one map an architecture: relative mu of a signal, or log10 of its norm."""
    runs = shown_runs(summary)
    if not runs:
        return None
    maps = [(run, _values(run, signal, shown)) for run in runs]
    what = "relative mu" if shown == "similarity" else "log10 of the norm"
    ends = "; ".join(
        f"{run.key.variant}: {number(float(values[-1][0]))} at the first layer, "
        f"{number(float(values[-1][-1]))} at the last"
        for run, values in maps
    )
    layers = count(runs[0].key.layers, "layer")
    about = f"{layers}, first seed; the first layer is at the top; grey: undefined. {caption}"
    return Figure(
        name=f"{signal}-{shown}",
        plot=Heat(
            tuple(_panel(run, values) for run, values in maps),
            f"{what} of the {signal}s (dark: rows alike)"
            if shown == "similarity"
            else f"{what} of the {signal}s",
            colours.SEQUENTIAL,
            (0.0, 1.0) if shown == "similarity" else _range([values for _, values in maps]),
            x_label="epoch",
            y_label="layer",
            numbered=True,
        ),
        words=f"Heat maps, layer by epoch, of the {what} of the {signal}s. At the end of training, {ends}.",
        caption=about.strip(),
    )


def claim(summary: DepthSummary, comparison: SimilarityComparison) -> Figure | None:
    """Test accuracy against the similarity of gradients, and of representations: a dot a run."""
    if not summary.cells:
        return None
    panels = tuple(
        Panel(
            "",
            "test accuracy",
            tuple(_dots(summary, comparison, signal, variant) for variant in summary.variants),
            f"{comparison.measure} of the {signal}s, {comparison.moment} of training",
            y_limits=(0.0, 1.0),
            x_scale="log" if comparison.measure == "mu" else "linear",
            height=2.4,
        )
        for signal in _SIGNALS
    )
    return Figure(
        name="claim",
        plot=Chart(panels, share_x=False),
        words=f"Dots of test accuracy against {comparison.measure}, {comparison.moment} of training. Rank "
        f"correlation {signed(comparison.gradient.value)} for gradients and "
        f"{signed(comparison.representation.value)} for representations.",
        caption="A dot a run. Overflows and exact zeros have no place on the axis; they count in ranks.",
    )


def shown_runs(summary: DepthSummary) -> list[DepthRun]:
    """The runs behind the heat maps: the first seed of each architecture, at the deepest common depth."""
    common = [
        layers
        for layers in summary.depths
        if all(summary.cell(variant, layers) is not None for variant in summary.variants)
    ]
    layers = max(common or summary.depths, default=0)
    cells = [summary.cell(variant, layers) for variant in summary.variants]
    return [cell.runs[0] for cell in cells if cell is not None]


def _values(run: DepthRun, signal: Signal, shown: Shown) -> FloatArray:
    """Values [p, l]: the relative mu, the smaller of its two senses, or log10 of the norm."""
    found = course(run, signal)
    if shown == "similarity":
        return np.minimum(grid(found.relative), grid(found.smooth))
    norms = grid(found.norm)
    values = np.full(norms.shape, np.nan)
    np.log10(norms, out=values, where=norms > 0)
    return values


def _panel(run: DepthRun, values: FloatArray) -> HeatPanel:
    layers = [str(layer) for layer in range(1, values.shape[1] + 1)]
    return HeatPanel(run.key.variant, values.T, layers, [str(epoch) for epoch in run.measured])


def _range(maps: Sequence[FloatArray]) -> tuple[float, float]:
    """The limits of the colours: all values, or the highest dozen of decades."""
    values = np.concatenate([found[np.isfinite(found)] for found in maps])
    if not values.size:
        return 0.0, 1.0
    high = float(values.max())
    return max(float(values.min()), high - _DECADES), high


def _dots(summary: DepthSummary, comparison: SimilarityComparison, signal: Signal, variant: str) -> Series:
    look = colours.of_architecture(summary.variants, variant)
    runs = [run for cell in summary.cells if cell.variant == variant for run in cell.runs]
    values = np.array(
        [similarity(run, signal, comparison.measure, comparison.place, comparison.moment) for run in runs]
    )
    shown = np.isfinite(values) & (values > 0)
    return Series(
        variant,
        look.colour,
        values[shown].tolist(),
        [run.test for run, drawn in zip(runs, shown, strict=True) if drawn],
        line="",
        marker=look.marker,
        alpha=0.7,
    )
