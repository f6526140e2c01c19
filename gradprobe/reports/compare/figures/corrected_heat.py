"""Raw cosines above noise-corrected ones, by layer and for all pairs of tasks, as heat maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.reports.compare.corrected_detail import CorrectedDetail
from gradprobe.reports.compare.figures.heat import NAMED, HeatPanel, heat_maps
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit.canvas import WIDTH, label
from gradprobe.reports.kit.numbers import number


def draw_layers(summary: Summary) -> Figure | None:
    """Cosines with the focal task by layer: raw, then corrected."""
    shown = _shown(summary)
    if not shown or not summary.auxiliaries:
        return None
    panels, heights = [], []
    for encoder, detail in shown:
        for kind, values in (("raw", detail.layers_raw), ("corrected", detail.by_layer)):
            title = f"{label(encoder.name, 30)}, {kind}"
            panels.append(HeatPanel(title, np.clip(values, -1.0, 1.0), detail.layers, summary.auxiliaries))
            heights.append(0.3 + 0.3 * min(len(detail.layers), NAMED))
    return heat_maps(panels, heights)


def draw_pairs(summary: Summary) -> Figure | None:
    """Cosines of all pairs of tasks: raw, then corrected."""
    shown = _shown(summary)
    if not shown:
        return None
    height = min(max(1.0, 0.3 * len(summary.tasks)), WIDTH)
    panels = [
        HeatPanel(
            f"{label(encoder.name, 30)}, {kind}", np.clip(values, -1.0, 1.0), summary.tasks, summary.tasks
        )
        for encoder, detail in shown
        for kind, values in (("raw", detail.pairs_raw), ("corrected", detail.pairs))
    ]
    return heat_maps(panels, [height] * len(panels))


def describe_layers(summary: Summary) -> str:
    """How many layers' cosines are told from zero, and the ends of the corrected ones."""
    said = [
        f"{encoder.name}: {_ends(detail.by_layer, detail.layers, summary.auxiliaries, detail.layers_nonzero)}"
        for encoder, detail in _shown(summary)
    ]
    return f"Raw and corrected cosines with the focal task by layer. {'; '.join(said)}."


def describe_pairs(summary: Summary) -> str:
    """How many pairs' cosines are told from zero, and the ends of the corrected ones."""
    upper = np.triu_indices(len(summary.tasks), k=1)
    said = []
    for encoder, detail in _shown(summary):
        values = np.full_like(detail.pairs, np.nan)
        values[upper] = detail.pairs[upper]
        said.append(
            f"{encoder.name}: {_ends(values, summary.tasks, summary.tasks, detail.pairs_nonzero[upper])}"
        )
    return f"Raw and corrected cosines of all pairs of tasks. {'; '.join(said)}."


def _ends(values: FloatArray, rows: Sequence[str], columns: Sequence[str], told: BoolArray) -> str:
    if np.isnan(values).all():
        return "undefined throughout"
    ends = [np.unravel_index(find(values), values.shape) for find in (np.nanargmin, np.nanargmax)]
    low, high = (
        f"{number(float(values[i, j]), digits=2)} ({rows[int(i)]} and {columns[int(j)]})" for i, j in ends
    )
    return f"corrected from {low} to {high}, {int(told.sum())} of {told.size} told from zero"


def _shown(summary: Summary) -> list[tuple[EncoderSummary, CorrectedDetail]]:
    found = ((encoder, encoder.corrected.detail) for encoder in summary.encoders)
    return [(e, detail) for e, detail in found if detail is not None and not np.isnan(detail.pairs_raw).all()]
