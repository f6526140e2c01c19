"""Gradient overlap over training beside the overlap of random directions."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import course, label, legend, log_scale, panels
from gradprobe.reports.kit.numbers import number, spread
from gradprobe.reports.statistics.seeds import Band


def draw(summary: Summary) -> Figure | None:
    """Minibatch overlap, one line an encoder; the dotted line of its colour is its chance level."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, (axes,) = panels([2.6], extra=0.8)
    for encoder, band in shown:
        colour = colours.of_encoder(encoder.name)
        course(axes, band, colour, label(encoder.name))
        axes.axhline(encoder.chance, color=colour, linestyle=":", linewidth=1.3)
    lowest = min(min(*band.low, encoder.chance) for encoder, band in shown)
    highest = max(max(*band.high, encoder.chance) for encoder, band in shown)
    axes.set_ylim(lowest / 1.5, highest * 1.5)
    log_scale(axes.yaxis)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("mean |cosine| over all pairs")
    legend(figure, axes)
    return figure


def describe(summary: Summary) -> str:
    """The mean overlap of every encoder and its chance level."""
    said = [
        f"{encoder.name}: {spread(encoder.gradients.splits['minibatch'].mean['overlap'])}, "
        f"by chance {number(encoder.chance)}"
        for encoder, _ in _shown(summary)
    ]
    return "Lines over training of the minibatch gradient overlap, dotted at chance. " + "; ".join(said) + "."


def _shown(summary: Summary) -> list[tuple[EncoderSummary, Band]]:
    """Encoders with their minibatch overlap; a logarithmic axis has no place for one of exactly zero."""
    found = ((encoder, encoder.gradients.splits.get("minibatch")) for encoder in summary.encoders)
    courses = ((encoder, split.course["overlap"]) for encoder, split in found if split is not None)
    return [(encoder, band) for encoder, band in courses if band.steps and min(band.low) > 0.0]
