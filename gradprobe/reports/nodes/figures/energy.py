"""Conflict between neighbours' gradients over training, and when the reasoning was on."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, legend, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.nodes.figures.lines import draw_course, stroke_of
from gradprobe.reports.nodes.summary import BASE, NodesSummary, RunSummary
from gradprobe.reports.statistics.seeds import Band


def draw(summary: NodesSummary) -> Figure | None:
    """Of the first model: energy per edge, below it when the reasoning was on and how far pathways opened."""
    shown = _shown(summary)
    if not shown:
        return None
    reasoned = [run for run in shown if run.method != BASE]
    gated = [run for run in reasoned if max(run.openness.mean, default=0.0) > 0.0]
    heights = [2.3, *[1.1] * (bool(reasoned) + bool(gated))]
    figure, (energy, *gates) = panels(heights, share_x=len(heights) > 1, extra=0.8)
    for run in shown:
        draw_course(energy, run, run.energy)
    energy.set_title(f"Conflict energy per edge, {label(summary.models[0])}")
    energy.set_ylabel("mean of max(0, −cos)")
    energy.set_ylim(bottom=0.0)
    if reasoned:
        _draw_gate(gates[0], "Reasoning is on", "share of seeds", {run.method: run.open for run in reasoned})
    if gated:
        _draw_gate(gates[1], "Second pathway", "mean weight", {run.method: run.openness for run in gated})
    (gates[-1] if gates else energy).set_xlabel("epoch")
    legend(figure, energy)
    return figure


def describe(summary: NodesSummary) -> str:
    """Energy at the first and last epoch of every method, and how often its gate was open."""
    said = [f"{run.method}: {_course(run)}" for run in _shown(summary)]
    return f"Lines of conflict energy per edge over epochs. {'; '.join(said)}."


def _shown(summary: NodesSummary) -> list[RunSummary]:
    return [run for model in summary.models[:1] for run in summary.main(model) if run.energy.steps]


def _draw_gate(axes: Axes, title: str, unit: str, bands: dict[str, Band]) -> None:
    for method, found in bands.items():
        colour, stroke = colours.of_node_method(method), stroke_of(method)
        axes.step(found.steps, found.mean, where="mid", color=colour, linestyle=stroke)
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.set_ylim(-0.08, 1.08)


def _course(run: RunSummary) -> str:
    first, last = run.energy.mean[0], run.energy.mean[-1]
    share = number(100.0 * run.open_share.mean, digits=2)
    return f"energy {number(first)} at first, {number(last)} at last, reasoning in {share}% of the epochs"
