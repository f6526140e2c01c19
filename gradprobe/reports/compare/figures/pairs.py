"""Cosines of all pairs of tasks, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.geometry import FloatArray
from gradprobe.reports.compare.figures.heat import NAMED, HeatPanel, heat_maps
from gradprobe.reports.compare.gradients import Detail
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit.canvas import WIDTH, label
from gradprobe.reports.kit.numbers import SPLIT_NAMES, number


def draw(summary: Summary) -> Figure | None:
    """Means over steps and seeds, of the split with the least noise; the focal task comes first."""
    shown = _shown(summary)
    if not shown:
        return None
    size = len(summary.tasks)
    height = min(max(1.0, 0.3 * size), WIDTH) if size <= NAMED else WIDTH
    return heat_maps(
        [
            HeatPanel(
                title=f"{label(encoder.name, 30)}, {SPLIT_NAMES[detail.split]}",
                values=_off_diagonal(detail),
                rows=summary.tasks,
                columns=summary.tasks,
            )
            for encoder, detail in shown
        ],
        [height] * len(shown),
    )


def describe(summary: Summary) -> str:
    """The pairs with the lowest and the highest cosine."""
    parts = []
    for encoder, detail in _shown(summary):
        pairs = _off_diagonal(detail)
        ends = (np.unravel_index(find(pairs), pairs.shape) for find in (np.nanargmin, np.nanargmax))
        tasks = summary.tasks
        said = (f"{number(float(pairs[i, j]))} ({tasks[int(i)]} and {tasks[int(j)]})" for i, j in ends)
        parts.append(f"{encoder.name}: from {' to '.join(said)}")
    return f"Heat map of the cosines of all pairs of tasks. {'; '.join(parts)}."


def _off_diagonal(detail: Detail) -> FloatArray:
    """Cosines [t, t] without those of a task with itself."""
    pairs = detail.pairs.copy()
    np.fill_diagonal(pairs, np.nan)
    return pairs


def _shown(summary: Summary) -> list[tuple[EncoderSummary, Detail]]:
    found = ((encoder, encoder.gradients.detail) for encoder in summary.encoders)
    return [
        (encoder, detail)
        for encoder, detail in found
        if detail is not None and not np.isnan(_off_diagonal(detail)).all()
    ]
