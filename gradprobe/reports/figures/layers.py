"""Cosines with the focal task for every layer and auxiliary, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports.figures.canvas import label, panels
from gradprobe.reports.figures.heat import NAMED, colour_bar, heat_map, scale
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.tables import SPLIT_NAMES
from gradprobe.reports.averages import mean_defined
from gradprobe.reports.wording import number


def draw(summary: Summary) -> Figure | None:
    """Means over steps and seeds, of the split with the least noise."""
    shown = _shown(summary)
    if not shown:
        return None
    heights = [0.6 + 0.26 * min(len(encoder.gradients.layers), NAMED) for encoder in shown if encoder.gradients]
    figure, axes = panels(heights, share_x=True)
    axes[-1].figure.set_figheight(sum(heights) + 0.5 * len(shown) + 2.2)  # type: ignore[union-attr]
    limit = max(scale(encoder.gradients.detail.by_layer) for encoder in shown)  # type: ignore[union-attr]
    for panel, encoder in zip(axes, shown, strict=True):
        assert encoder.gradients is not None
        assert encoder.gradients.detail is not None
        detail = encoder.gradients.detail
        image = heat_map(panel, detail.by_layer, list(encoder.gradients.layers), list(summary.tasks[1:]), limit=limit)
        panel.set_title(f"{label(encoder.name, 30)}, {SPLIT_NAMES[detail.split]}")
    colour_bar(figure, image, axes)
    return figure


def describe(summary: Summary) -> str:
    """The layers with the lowest and the highest mean cosine."""
    parts = []
    for encoder in _shown(summary):
        assert encoder.gradients is not None
        assert encoder.gradients.detail is not None
        means = mean_defined(encoder.gradients.detail.by_layer, axis=1)
        low, high = int(np.nanargmin(means)), int(np.nanargmax(means))
        names = encoder.gradients.layers
        parts.append(
            f"{encoder.name}: from {number(float(means[low]))} in {names[low]} to "
            f"{number(float(means[high]))} in {names[high]}"
        )
    return "Heat map of layers and auxiliaries. Mean cosine with the focal task by layer, " + "; ".join(parts) + "."


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [
        encoder
        for encoder in summary.encoders
        if summary.focal
        and encoder.gradients is not None
        and encoder.gradients.detail is not None
        and not np.isnan(encoder.gradients.detail.by_layer).all()
    ]
