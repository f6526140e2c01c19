"""Focal-auxiliary cosines over training, one panel an encoder, one line a split."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import course, headroom, label, panels
from gradprobe.reports.kit.numbers import SPLIT_NAMES, spread
from gradprobe.reports.statistics.seeds import Band

_SHAPES = {"minibatch": ("", "-"), "heldout": ("o", "-"), "train": ("s", "--")}


def draw(summary: Summary) -> Figure | None:
    """Means over auxiliaries and seeds; the band is lowest to highest seed."""
    shown = [encoder for encoder in summary.encoders if _courses(encoder)]
    if not shown:
        return None
    figure, axes = panels([2.3] * len(shown), share_x=len(shown) > 1)
    for panel, encoder in zip(axes, shown, strict=True):
        for split, band in _courses(encoder).items():
            marker, style = _SHAPES[split]
            course(panel, band, colours.of_split(split), SPLIT_NAMES[split], marker=marker, style=style)
        panel.axhline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_title(label(encoder.name, 40))
        panel.set_ylabel("mean cosine")
        headroom(panel)
        panel.legend(loc="upper right", ncols=3, handlelength=1.6, columnspacing=1.2)
    axes[-1].set_xlabel("optimiser step (−1: before training)")
    return figure


def describe(summary: Summary) -> str:
    """The mean minibatch cosine of every encoder, and the last held-out one."""
    parts = []
    for encoder in summary.encoders:
        said = [
            f"{SPLIT_NAMES[split]} {spread(encoder.gradients.splits[split].mean['cosine'])}"
            for split in _courses(encoder)
        ]
        if said:
            parts.append(f"{encoder.name}: {', '.join(said)}")
    return "Lines over training of the mean focal–auxiliary cosine. " + "; ".join(parts) + "."


def _courses(encoder: EncoderSummary) -> dict[str, Band]:
    found = {split: summary.course["cosine"] for split, summary in encoder.gradients.splits.items()}
    return {split: band for split, band in found.items() if band.steps}
