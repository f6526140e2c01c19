"""Effective rank of the representation over training."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import course, label, legend, panels
from gradprobe.reports.kit.numbers import SPLIT_NAMES, spread


def draw(summary: Summary) -> Figure | None:
    """Means over seeds, one line an encoder; the band is lowest to highest seed."""
    shown = [(e.name, e.rank) for e in summary.encoders if e.rank is not None and e.rank.course.steps]
    if not shown:
        return None
    figure, (axes,) = panels([2.6], extra=0.8)
    for name, rank in shown:
        course(axes, rank.course, colours.of_encoder(name), label(name), marker="o")
    axes.set_ylim(bottom=min(axes.get_ylim()[0], 1.0))
    axes.set_xlabel("optimiser step (−1: before training)")
    axes.set_ylabel("effective rank, dimensions")
    legend(figure, axes)
    return figure


def describe(summary: Summary) -> str:
    """The last effective rank of every encoder, and the largest possible."""
    ranks = ((encoder.name, encoder.rank) for encoder in summary.encoders)
    said = [
        f"{name}: {spread(rank.raw)} of at most {rank.most}, {SPLIT_NAMES[rank.split]}"
        for name, rank in ranks
        if rank is not None
    ]
    return "Lines over training of the effective rank. At the end, " + "; ".join(said) + "."
