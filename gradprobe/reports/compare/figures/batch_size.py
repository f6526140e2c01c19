"""The raw cosines that other batch sizes would show, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.reports.compare.batch_sizes import BatchSizes
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit.canvas import label, log_scale, panels
from gradprobe.reports.kit.colours import FAINT, LINES
from gradprobe.reports.kit.numbers import number

_MOST = 6  # lines in a panel: of more auxiliaries, those with the largest raw cosine
_HEIGHT = 2.2


def draw(summary: Summary) -> Figure | None:
    """Predicted raw cosines against the batch size, the two measured sizes as marks on the lines."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, axes = panels([_HEIGHT] * len(shown))
    for panel, (encoder, sizes) in zip(axes, shown, strict=True):
        _draw(panel, sizes, summary.auxiliaries)
        panel.set_title(label(encoder.name, 40))
    axes[-1].set_xlabel("molecules a task and step")
    return figure


def describe(summary: Summary) -> str:
    """The mean raw cosine measured, and that of batches eight times as large."""
    said = []
    for encoder, sizes in _shown(summary):
        eight = int(np.argmin(np.abs(sizes.factors - 8.0)))
        larger = sizes.predicted[eight]
        mean = float(np.nanmean(larger)) if not np.isnan(larger).all() else float("nan")
        measured = f"measured {number(float(np.nanmean(sizes.whole)), digits=2)}"
        molecules = f"with {number(sizes.rows, digits=2)} molecules"
        expected = f"predicted {number(mean, digits=2)} with eight times as many"
        said.append(f"{encoder.name}: {measured} {molecules}, {expected}")
    return f"Mean raw cosine with the focal task by batch size. {'; '.join(said)}."


def _shown(summary: Summary) -> list[tuple[EncoderSummary, BatchSizes]]:
    found = ((encoder, encoder.corrected.sizes) for encoder in summary.encoders)
    return [(e, sizes) for e, sizes in found if sizes is not None and not np.isnan(sizes.predicted).all()]


def _draw(axes: Axes, sizes: BatchSizes, names: tuple[str, ...]) -> None:
    rows = sizes.rows * sizes.factors
    largest = np.argsort(-np.nan_to_num(np.abs(sizes.whole)))[:_MOST]
    for colour, column in zip(LINES, sorted(largest), strict=False):
        axes.plot(rows, sizes.predicted[:, column], color=colour, label=label(names[column], 20))
        axes.fill_between(
            rows,
            *_bounded(sizes.low[:, column], sizes.high[:, column]),
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
        axes.plot([sizes.rows / 2], [sizes.half[column]], "D", color=colour, markersize=4.5, fillstyle="none")
        axes.plot([sizes.rows], [sizes.whole[column]], "o", color=colour, markersize=5)
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    axes.set_xlim(rows[0], rows[-1])
    low, high = np.nanmin(sizes.predicted[:, largest]), np.nanmax(sizes.predicted[:, largest])
    room = 0.3 * max(high - low, 0.02)
    axes.set_ylim(max(low - room, -1.05), min(high + room, 1.05))
    log_scale(axes.xaxis)
    axes.set_ylabel("raw cosine")
    axes.legend(loc="upper left", fontsize=8.5)


def _bounded(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An interval [k] cut at -1 and 1, where every cosine lies."""
    return np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)
