"""The report of a depth study, from its summary."""

from __future__ import annotations

from functools import partial

from gradprobe.records.depth import DepthRun, Signal
from gradprobe.reports.depth import tables
from gradprobe.reports.depth.figures import accuracy, heat, scatter
from gradprobe.reports.depth.figures.heat import Shown
from gradprobe.reports.depth.summary import DepthSummary
from gradprobe.reports.depth.wording import claim, headline, points
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.numbers import count
from gradprobe.reports.kit.page import Page, draw_image
from gradprobe.reports.kit.section import Section

_HEATS: tuple[tuple[str, Signal, Shown], ...] = (
    ("gradient-similarity", "gradient", "similarity"),
    ("representation-similarity", "representation", "similarity"),
    ("gradient-norm", "gradient", "norm"),
)


def depth_page(summary: DepthSummary) -> Page:
    """The page: accuracy against depth, heat maps at the deepest depth, the claim, the runs."""
    graph, options = summary.graph, summary.options
    runs = sum(len(cell.runs) for cell in summary.cells)
    return Page(
        title=f"Gradients in deep {options.model.upper()}s on {graph.name}",
        subtitle=f"{count(runs, 'run')} of {options.epochs} epochs; {graph.nodes} nodes, {graph.edges} edges",
        headline=headline(summary),
        points=points(summary),
        sections=_sections(summary),
        images=_images(summary) if summary.cells else {},
    )


def shown_runs(summary: DepthSummary) -> list[DepthRun]:
    """The runs behind the heat maps: the first seed of each architecture, at the deepest common depth."""
    common = [
        layers
        for layers in summary.depths
        if all(summary.cell(variant, layers) is not None for variant in summary.variants)
    ]
    layers = max(common or summary.depths)
    cells = [summary.cell(variant, layers) for variant in summary.variants]
    return [cell.runs[0] for cell in cells if cell is not None]


def _images(summary: DepthSummary) -> dict[str, Image]:
    images = {"accuracy": draw_image(lambda: accuracy.draw(summary), accuracy.describe(summary))}
    for name, signal, shown in _HEATS:
        maps = [heat.heat_map(run, signal, shown) for run in shown_runs(summary)]
        images[name] = draw_image(partial(heat.draw, maps, shown, signal), heat.describe(maps, shown, signal))
    first = summary.comparisons[0]
    images["claim"] = draw_image(lambda: scatter.draw(summary, first), scatter.describe(first))
    return images


def _sections(summary: DepthSummary) -> tuple[Section, ...]:
    return (
        Section(
            title="Accuracy against depth",
            look_for="Look for the depth at which a line leaves the others, and for bands that stay apart.",
            tables=(tables.accuracies(summary), tables.gains(summary)),
            plate="accuracy",
            caption="Mean over seeds; band: lowest to highest seed; dotted: always naming the largest class. "
            "At two layers there is nothing to skip: plain and residual are the same network.",
        ),
        _heat_section(
            summary,
            "Similarity of gradients",
            "Look for dark bands that begin at the last layer's end and spread upwards: gradients "
            "oversmooth on their way back.",
            "gradient-similarity",
            "Only labelled nodes receive a gradient at the last layer: there, it measures that mask.",
        ),
        _heat_section(
            summary,
            "Similarity of representations",
            "Look for dark bands that spread downwards: representations oversmooth on their way forward.",
            "representation-similarity",
            "",
        ),
        _heat_section(
            summary,
            "Norm of gradients",
            "Look for colours that change by decades from the last layer to the first: vanishing where "
            "they fall, expansion where they rise.",
            "gradient-norm",
            "Colours cover twelve decades at most; grey: zero or overflow.",
        ),
        Section(
            title="Diagnoses",
            look_for="Look for what holds at every depth of an architecture, not in single runs.",
            tables=(tables.findings(summary), tables.reasons(summary)),
        ),
        Section(
            title="Does gradient similarity predict accuracy better?",
            look_for="Look at the first row, and at whether the interval of the advantage leaves zero out: "
            + claim(summary.comparisons[0]),
            tables=(tables.claims(summary),),
            plate="claim",
            caption="A dot a run. Overflows and exact zeros have no place on the axis; they count in ranks.",
        ),
        Section(
            title="The runs",
            look_for="Look for what all runs share; other options may give another picture.",
            tables=(tables.options(summary), tables.failures(summary)),
        ),
    )


def _heat_section(summary: DepthSummary, title: str, look_for: str, plate: str, caption: str) -> Section:
    layers = shown_runs(summary)[0].key.layers if summary.cells else 0
    shown = f"{count(layers, 'layer')}, first seed; the first layer is at the top; grey: undefined. {caption}"
    return Section(title=title, look_for=look_for, plate=plate, caption=shown.strip())
