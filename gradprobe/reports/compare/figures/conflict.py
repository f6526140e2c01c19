"""Conflict over training: share of negative cosines with the focal task, and conflict energy."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import course, label, legend, panels
from gradprobe.reports.kit.numbers import spread

_SHOWN = {
    "negative_fraction": ("Negative fraction", "share of auxiliaries"),
    "conflict_energy_per_pair": ("Conflict energy per pair", "mean of max(0, −cosine)"),
}


def draw(summary: Summary) -> Figure | None:
    """Minibatch values, one line an encoder, one panel a quantity."""
    minibatch = {
        encoder.name: encoder.gradients.splits["minibatch"]
        for encoder in summary.encoders
        if "minibatch" in encoder.gradients.splits
    }
    names = [name for name in _SHOWN if any(found.course[name].steps for found in minibatch.values())]
    if not names:
        return None
    figure, axes = panels([2.1] * len(names), share_x=len(names) > 1, extra=0.8)
    for panel, name in zip(axes, names, strict=True):
        for encoder, found in minibatch.items():
            course(panel, found.course[name], colours.of_encoder(encoder), label(encoder))
        title, unit = _SHOWN[name]
        panel.set_title(title)
        panel.set_ylabel(unit)
        panel.set_ylim(bottom=0.0)
    axes[-1].set_xlabel("optimiser step")
    legend(figure, axes[-1])
    return figure


def describe(summary: Summary) -> str:
    """The mean negative fraction and conflict energy per pair of every encoder."""
    said = []
    for encoder in summary.encoders:
        if "minibatch" in encoder.gradients.splits:
            mean = encoder.gradients.splits["minibatch"].mean
            said.append(
                f"{encoder.name}: negative fraction {spread(mean['negative_fraction'])}, "
                f"energy per pair {spread(mean['conflict_energy_per_pair'])}"
            )
    return "Lines over training of minibatch conflict. " + "; ".join(said) + "."
