"""Focal over auxiliary gradient norms, one dot an auxiliary and encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import label, panels
from gradprobe.reports.summary import Summary
from gradprobe.reports.wording import number

_ROWS = 30
_MARKERS = "osD^vPX"


def draw(summary: Summary) -> Figure | None:
    """Geometric means over minibatches and seeds, on a logarithmic axis; 1: equal lengths."""
    ratios = _ratios(summary)
    order = _order(ratios)
    if not order:
        return None
    figure, (axes,) = panels([max(1.2, 0.25 * len(order))])
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
    axes.set_xscale("log")
    axes.axvline(1.0, color=colours.FAINT, linewidth=0.9)
    axes.set_yticks(range(len(order)), [label(summary.tasks[row + 1]) for row in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    auxiliaries = len(summary.tasks) - 1
    chosen = "" if len(order) == auxiliaries else f" ({len(order)} of {auxiliaries} auxiliaries, the most uneven)"
    axes.set_xlabel("focal norm / auxiliary norm" + chosen)
    figure.legend(loc="outside upper center", ncols=3)
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
        if summary.focal and encoder.gradients is not None and "minibatch" in encoder.gradients.details
    }
    return {name: values for name, values in found.items() if not np.isnan(values).all()}


def _order(ratios: dict[str, np.ndarray]) -> list[int]:
    """Auxiliaries in the order of the tasks; of very many, those with the most uneven norms."""
    if not ratios:
        return []
    stacked = np.stack(list(ratios.values()))
    uneven = np.where(np.isnan(stacked), -1.0, np.abs(np.log(np.where(np.isnan(stacked), 1.0, stacked)))).max(axis=0)
    known = [row for row in np.argsort(-uneven, kind="stable").tolist() if uneven[row] >= 0.0]
    return sorted(known[:_ROWS])
