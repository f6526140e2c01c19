"""Where the nodes lie among each other, before and after, with those in conflict: Figures 3 and 5."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import count, join
from gradprobe.reports.nodes.summary import NodesSummary


def draw(summary: NodesSummary) -> Figure | None:
    """The first hidden representation on the plane of its two widest directions, a panel a moment."""
    found = summary.snapshot
    if found is None or not found.moments:
        return None
    figure, axes = panels([2.7] * len(found.moments), extra=0.9)
    for panel, moment in zip(axes, found.moments, strict=True):
        calm, torn = ~moment.conflicting, moment.conflicting
        size = 26.0 if len(calm) < 300 else 8.0
        for chosen, colour, marker, name in (
            (calm, colours.CALM, "o", "no conflict"),
            (torn, colours.CONFLICT, "X", "in conflict"),
        ):
            x, y = moment.embedding[chosen].T
            panel.scatter(
                x, y, s=size * (2.2 if marker == "X" else 1.0), c=colour, marker=marker, linewidths=0.3,
                edgecolors="white", label=name, alpha=0.85,
            )  # fmt: skip
        panel.set_title(f"{label(moment.name, 44)}: {int(torn.sum()):,} of {len(torn):,} nodes in conflict")
        panel.set_ylabel("second direction")
        panel.tick_params(labelleft=False, labelbottom=False)
    axes[-1].set_xlabel("first direction (principal components; no unit)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2)
    return figure


def describe(summary: NodesSummary) -> str:
    """How many nodes are in conflict at each moment."""
    found = summary.snapshot
    assert found is not None
    said = [
        f"{int(m.conflicting.sum())} of {count(len(m.conflicting), 'node')} {m.name}" for m in found.moments
    ]
    return f"Scatter of nodes by their hidden representation; in conflict are {join(said)}."
