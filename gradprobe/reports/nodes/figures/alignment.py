"""How well nodes' gradients agree with their neighbours', before and after: the paper's Figure 6."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradprobe.geometry import FloatArray
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.nodes.summary import NodesSummary
from gradprobe.reports.statistics.seeds import mean_defined

_BINS = np.linspace(-1.0, 1.0, 21).tolist()


def draw(summary: NodesSummary) -> Figure | None:
    """Histograms of the mean cosine with the neighbours, of the same gradients before and after."""
    found = summary.snapshot
    if found is None or not _defined(found.alignment_before).size:
        return None
    figure, (panel,) = panels([2.6], extra=0.8)
    for values, colour, name in (
        (found.alignment_before, colours.FAINT, "before"),
        (found.alignment_after, colours.of_node_method(found.method), "after"),
    ):
        kept = _defined(values)
        panel.hist(kept, bins=_BINS, weights=np.full(kept.size, 1.0 / max(kept.size, 1)), color=colour,
                   alpha=0.35)  # fmt: skip
        panel.hist(kept, bins=_BINS, weights=np.full(kept.size, 1.0 / max(kept.size, 1)), color=colour,
                   histtype="step", linewidth=1.6, label=name)  # fmt: skip
    panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
    panel.set_xlabel("alignment: mean cosine with the neighbours' gradients")
    panel.set_ylabel("share of nodes")
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2)
    return figure


def describe(summary: NodesSummary) -> str:
    """The means before and after."""
    found = summary.snapshot
    assert found is not None
    ends = [number(float(mean_defined(values))) for values in (found.alignment_before, found.alignment_after)]
    return f"Histograms of neighbourhood alignment; its mean is {ends[0]} before and {ends[1]} after."


def _defined(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]
