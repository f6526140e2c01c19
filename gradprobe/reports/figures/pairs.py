"""Cosines of all pairs of tasks, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports.figures.canvas import WIDTH, label, panels
from gradprobe.reports.figures.heat import NAMED, colour_bar, heat_map, scale
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.tables import SPLIT_NAMES
from gradprobe.reports.wording import number


def draw(summary: Summary) -> Figure | None:
    """Means over steps and seeds, of the split with the least noise; the focal task comes first."""
    shown = _shown(summary)
    if not shown:
        return None
    size = len(summary.tasks)
    height = min(max(1.4, 0.28 * size), WIDTH) if size <= NAMED else WIDTH
    figure, axes = panels([height] * len(shown), share_x=True)
    figure.set_figheight((height + 0.45) * len(shown) + (2.2 if size <= NAMED else 1.2))
    limit = max(scale(_off_diagonal(encoder)) for encoder in shown)
    names = list(summary.tasks)
    for panel, encoder in zip(axes, shown, strict=True):
        image = heat_map(panel, _off_diagonal(encoder), names, names, limit=limit)
        assert encoder.gradients is not None
        assert encoder.gradients.detail is not None
        panel.set_title(f"{label(encoder.name, 30)}, {SPLIT_NAMES[encoder.gradients.detail.split]}")
    colour_bar(figure, image, axes)
    return figure


def describe(summary: Summary) -> str:
    """The pairs with the lowest and the highest cosine."""
    parts = []
    for encoder in _shown(summary):
        pairs = _off_diagonal(encoder)
        low, high = (np.unravel_index(find(pairs), pairs.shape) for find in (np.nanargmin, np.nanargmax))
        parts.append(
            f"{encoder.name}: from {number(float(pairs[low]))} ({_named(summary, low)}) "
            f"to {number(float(pairs[high]))} ({_named(summary, high)})"
        )
    return "Heat map of the cosines of all pairs of tasks. " + "; ".join(parts) + "."


def _named(summary: Summary, pair: tuple[np.intp, ...]) -> str:
    return " and ".join(summary.tasks[int(index)] for index in pair)


def _off_diagonal(encoder: EncoderSummary) -> np.ndarray:
    """Cosines [t, t] without those of a task with itself."""
    assert encoder.gradients is not None
    assert encoder.gradients.detail is not None
    pairs = encoder.gradients.detail.pairs.copy()
    np.fill_diagonal(pairs, np.nan)
    return pairs


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [
        encoder
        for encoder in summary.encoders
        if encoder.gradients is not None
        and encoder.gradients.detail is not None
        and not np.isnan(_off_diagonal(encoder)).all()
    ]
