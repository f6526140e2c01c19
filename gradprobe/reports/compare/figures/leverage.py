"""How far every combiner's update is from averaging's, one panel an encoder."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.leverage import THRESHOLD, Leverage
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, log_scale, panels
from gradprobe.reports.kit.numbers import join, number

_FLOOR = 1e-7  # below this a leverage is rounding; a logarithmic axis needs an end


def draw(summary: Summary) -> Figure | None:
    """Mean (hollow) and largest (full) leverage on a logarithmic axis, the threshold dashed."""
    shown = [encoder for encoder in summary.encoders if _known(encoder)]
    if not shown:
        return None
    figure, axes = panels([0.5 + 0.27 * len(_known(encoder)) for encoder in shown], share_x=True)
    for panel, encoder in zip(axes, shown, strict=True):
        rows = _known(encoder)
        for row, leverage in enumerate(rows):
            colour = colours.of_combiner(leverage.combiner)
            ends = [max(leverage.mean, _FLOOR), max(leverage.largest, _FLOOR)]
            panel.plot(ends, [row, row], color=colour, linewidth=1.2, alpha=0.6)
            panel.plot(ends[:1], [row], "o", color=colour, markersize=6, markerfacecolor="white")
            panel.plot(ends[1:], [row], "o", color=colour, markersize=6)
        panel.set_xlim(_FLOOR / 2, 4.0)
        log_scale(panel.xaxis)
        panel.axvline(THRESHOLD, color=colours.TEXT, linestyle="--", linewidth=1.0)
        panel.set_yticks(range(len(rows)), [label(leverage.combiner) for leverage in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_title(label(encoder.name, 40))
    axes[-1].set_xlabel("leverage (hollow: mean, full: largest)")
    return figure


def describe(summary: Summary) -> str:
    """The largest leverage of every combiner and encoder."""
    said = [
        f"{encoder.name}: {join([f'{found.combiner} {number(found.largest)}' for found in _known(encoder)])}"
        for encoder in summary.encoders
        if _known(encoder)
    ]
    return f"Leverage by combiner, threshold {THRESHOLD:g}. Largest: " + "; ".join(said) + "."


def _known(encoder: EncoderSummary) -> list[Leverage]:
    return [leverage for leverage in encoder.leverages if leverage.steps]
