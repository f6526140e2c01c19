"""Cosines with the focal task for every layer and auxiliary, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports.compare.figures.heat import NAMED, HeatPanel, heat_maps
from gradprobe.reports.compare.gradients import Detail
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit.canvas import label
from gradprobe.reports.kit.numbers import SPLIT_NAMES, number
from gradprobe.reports.statistics.seeds import mean_defined


def draw(summary: Summary) -> Figure | None:
    """Means over steps and seeds, of the split with the least noise."""
    shown = _shown(summary)
    if not shown:
        return None
    return heat_maps(
        [
            HeatPanel(
                title=f"{label(encoder.name, 30)}, {SPLIT_NAMES[detail.split]}",
                values=detail.by_layer,
                rows=encoder.gradients.layers,
                columns=summary.auxiliaries,
            )
            for encoder, detail in shown
        ],
        [0.3 + 0.3 * min(len(encoder.gradients.layers), NAMED) for encoder, _ in shown],
    )


def describe(summary: Summary) -> str:
    """The layers with the lowest and the highest mean cosine."""
    parts = []
    for encoder, detail in _shown(summary):
        means, names = mean_defined(detail.by_layer, axis=1), encoder.gradients.layers
        low, high = int(np.nanargmin(means)), int(np.nanargmax(means))
        ends = (f"{number(float(means[end]))} in {names[end]}" for end in (low, high))
        parts.append(f"{encoder.name}: from {' to '.join(ends)}")
    return f"Heat map of layers and auxiliaries. Mean cosine with the focal task, {'; '.join(parts)}."


def _shown(summary: Summary) -> list[tuple[EncoderSummary, Detail]]:
    found = ((encoder, encoder.gradients.detail) for encoder in summary.encoders if summary.focal)
    return [(e, detail) for e, detail in found if detail is not None and not np.isnan(detail.by_layer).all()]
