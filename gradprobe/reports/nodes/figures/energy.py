"""Conflict between neighbours' gradients over training, and when the reasoning was on."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradprobe.reports import colours
from gradprobe.reports.figures.canvas import label, legend, panels
from gradprobe.reports.nodes.figures.lines import draw_course, stroke_of
from gradprobe.reports.nodes.summary import NodesSummary
from gradprobe.reports.wording import number


def draw(summary: NodesSummary) -> Figure | None:
    """Of the first model: energy per edge above, share of seeds whose gate is open below."""
    shown = [run for run in summary.main(summary.models[0]) if run.energy.steps]
    if not shown:
        return None
    figure, (energy, gate) = panels([2.3, 1.3], share_x=True, extra=0.8)
    for run in shown:
        draw_course(energy, run, run.energy)
        if run.method != "base":
            gate.step(
                run.open.steps,
                run.open.mean,
                where="mid",
                color=colours.of_node_method(run.method),
                linestyle=stroke_of(run.method),
            )
    energy.set_title(f"Conflict energy per edge, {label(summary.models[0])}")
    energy.set_ylabel("mean of max(0, −cosine)")
    energy.set_ylim(bottom=0.0)
    gate.set_title("Reasoning is on")
    gate.set_ylabel("share of seeds")
    gate.set_ylim(-0.05, 1.05)
    gate.set_xlabel("epoch")
    legend(figure, energy)
    return figure


def describe(summary: NodesSummary) -> str:
    """Energy at the first and last epoch of every method, and how often its gate was open."""
    said = [
        f"{run.method}: energy {number(run.energy.mean[0])} at first, {number(run.energy.mean[-1])} at last, "
        f"reasoning in {number(100.0 * run.open_share.mean)}% of the epochs"
        for run in summary.main(summary.models[0])
        if run.energy.steps
    ]
    return f"Lines of conflict energy per edge over epochs. {'; '.join(said)}."
