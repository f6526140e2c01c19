"""Focal over auxiliary gradient norms, one dot an auxiliary and encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, legend, log_scale, panels
from gradprobe.reports.kit.numbers import number

_ROWS = 30
_MARKERS = "osD^vPX"


def draw(summary: Summary) -> Figure | None:
    """Geometric means over minibatches and seeds, on a logarithmic axis; 1: equal lengths."""
    ratios = _ratios(summary)
    order = _order(ratios)
    if not order:
        return None
    figure, (axes,) = panels([max(1.2, 0.27 * len(order))], extra=0.8)
    for index, (name, values) in enumerate(ratios.items()):
        axes.plot(
            [values[row] for row in order],
            range(len(order)),
            linestyle="none",
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=6,
            color=colours.of_encoder(name),
            label=label(name),
        )
    axes.axvline(1.0, color=colours.FAINT, linewidth=0.9)
    known = np.concatenate([values[~np.isnan(values)] for values in ratios.values()])
    axes.set_xlim(min(float(known.min()) / 1.2, 0.5), max(float(known.max()) * 1.2, 2.0))
    log_scale(axes.xaxis)
    axes.set_yticks(range(len(order)), [label(summary.auxiliaries[row]) for row in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlabel("focal norm / auxiliary norm")
    if len(order) < len(summary.auxiliaries):
        axes.set_title(f"The {len(order)} most uneven of {len(summary.auxiliaries)} auxiliaries")
    legend(figure, axes)
    return figure


def describe(summary: Summary) -> str:
    """The range of the ratios of every encoder."""
    said = [
        f"{name}: from {number(float(np.nanmin(values)))} to {number(float(np.nanmax(values)))}"
        for name, values in _ratios(summary).items()
    ]
    return "Dots of focal over auxiliary gradient norm for each auxiliary. " + "; ".join(said) + "."


def _ratios(summary: Summary) -> dict[str, np.ndarray]:
    found = {
        encoder.name: encoder.gradients.details["minibatch"].ratios
        for encoder in summary.encoders
        if summary.focal and "minibatch" in encoder.gradients.details
    }
    return {name: values for name, values in found.items() if not np.isnan(values).all()}


def _order(ratios: dict[str, np.ndarray]) -> list[int]:
    """Auxiliaries in the order of the tasks; of very many, those with the most uneven norms."""
    if not ratios:
        return []
    # An unknown ratio is less uneven than any known one.
    uneven = np.nan_to_num(np.abs(np.log(np.stack(list(ratios.values())))), nan=-1.0).max(axis=0)
    known = [row for row in np.argsort(-uneven, kind="stable").tolist() if uneven[row] >= 0.0]
    return sorted(known[:_ROWS])
