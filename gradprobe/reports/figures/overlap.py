"""Gradient overlap over training beside the overlap of random directions."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import course, label, panels
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.wording import number, spread


def draw(summary: Summary) -> Figure | None:
    """Minibatch overlap, one line an encoder; the dotted line of its colour is its chance level."""
    shown = [encoder for encoder in summary.encoders if _course(encoder) is not None]
    if not shown:
        return None
    figure, (axes,) = panels([2.8])
    for encoder in shown:
        band = _course(encoder)
        assert band is not None
        colour = colours.of_encoder(encoder.name)
        course(axes, band, colour, label(encoder.name))
        axes.axhline(encoder.chance, color=colour, linestyle=":", linewidth=1.3)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.3, high * 2.0)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("mean |cosine| over all pairs")
    axes.legend(loc="upper right", ncols=3)
    return figure


def describe(summary: Summary) -> str:
    """The mean overlap of every encoder and its chance level."""
    said = [
        f"{encoder.name}: {spread(encoder.gradients.splits['minibatch'].mean['overlap'])}, "
        f"by chance {number(encoder.chance)}"
        for encoder in summary.encoders
        if encoder.gradients is not None and _course(encoder) is not None
    ]
    return "Lines over training of the minibatch gradient overlap, dotted at chance. " + "; ".join(said) + "."


def _course(encoder: EncoderSummary):
    found = encoder.gradients.splits.get("minibatch") if encoder.gradients is not None else None
    band = found.course["overlap"] if found is not None else None
    # A logarithmic axis has no place for an overlap of exactly zero.
    return band if band is not None and band.steps and min(band.low) > 0.0 else None
