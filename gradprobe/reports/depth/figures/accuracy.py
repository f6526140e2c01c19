"""Test accuracy against depth, one line an architecture."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.depth.figures.variants import style
from gradprobe.reports.depth.summary import DepthSummary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import legend, panels
from gradprobe.reports.kit.numbers import join, spread


def draw(summary: DepthSummary) -> Figure:
    """Means over seeds; the band is lowest to highest seed, the dotted line the largest class."""
    figure, (axes,) = panels([2.8], extra=0.8)
    places = {layers: place for place, layers in enumerate(summary.depths)}
    for variant in summary.variants:
        look = style(summary.variants, variant)
        cells = sorted((c for c in summary.cells if c.variant == variant), key=lambda cell: cell.layers)
        x = [places[cell.layers] for cell in cells]
        axes.plot(
            x,
            [cell.test.mean for cell in cells],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            label=variant,
        )
        low, high = [cell.test.low for cell in cells], [cell.test.high for cell in cells]
        axes.fill_between(x, low, high, color=look.colour, alpha=0.18, linewidth=0)
    axes.axhline(summary.graph.largest_class, color=colours.FAINT, linestyle=":", linewidth=1.0)
    axes.set_xticks(range(len(places)), [str(layers) for layers in places])
    axes.set_xlabel("layers (evenly spaced, not to scale)")
    axes.set_ylabel("test accuracy")
    axes.set_ylim(0.0, 1.0)
    legend(figure, axes)
    return figure


def describe(summary: DepthSummary) -> str:
    """The accuracies by architecture and depth."""
    said = []
    for variant in summary.variants:
        known = [f"{c.layers} layers {spread(c.test)}" for c in summary.cells if c.variant == variant]
        said.append(f"{variant}: {join(known)}")
    return "Lines of test accuracy against the number of layers. " + "; ".join(said) + "."
