"""The report of `gradprobe dynamics`, from the summary of its runs."""

from __future__ import annotations

from gradprobe.reports.dynamics import tables
from gradprobe.reports.dynamics.claims import Claim, claims
from gradprobe.reports.dynamics.figures import FIGURES
from gradprobe.reports.dynamics.summary import DynamicsSummary
from gradprobe.reports.kit.canvas import drawing, png
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.numbers import count, join
from gradprobe.reports.kit.page import Page
from gradprobe.reports.kit.section import Section

_EXPLAINS = 4
"""The place among the claims of the question that the report is about."""


def dynamics_page(summary: DynamicsSummary) -> Page:
    """The page on kernels and residual propagation."""
    found = claims(summary)
    return Page(
        title="Kernels, graphs and labels over training",
        subtitle=_subtitle(summary),
        headline=_headline(found),
        points=_points(summary, found),
        sections=_sections(summary, found),
        images=_images(summary),
    )


def _subtitle(summary: DynamicsSummary) -> str:
    options = summary.options
    return (
        f"{count(len(summary.graphs), 'graph')}, {count(summary.seeds, 'seed')}, {options.layers}-layer "
        f"GCN and MLP of width {options.width}, {options.epochs} epochs of Adam, kernels between at most "
        f"{options.nodes} nodes at {options.checkpoints} checkpoints"
    )


def _headline(found: tuple[Claim, ...]) -> str:
    claim = found[_EXPLAINS]
    return f"That alignment explains where graph networks win and lose is {claim.outcome}: {claim.found}."


def _points(summary: DynamicsSummary, found: tuple[Claim, ...]) -> tuple[str, ...]:
    others = [claim for place, claim in enumerate(found) if place != _EXPLAINS]
    outcomes = dict.fromkeys(claim.outcome for claim in others)
    points = [
        f"{outcome.capitalize()}: " + " · ".join(claim.text for claim in others if claim.outcome == outcome)
        for outcome in outcomes
    ]
    lost = [graph.facts.name for graph in summary.graphs if graph.difference("gcn", "mlp").high < 0.0]
    won = [graph.facts.name for graph in summary.graphs if graph.difference("gcn", "mlp").low > 0.0]
    points.append(
        f"Told from zero over seeds, the GCN beats the MLP on {join(won) or 'no graph'}, and loses on "
        f"{join(lost) or 'no graph'}."
    )
    points += [f"Failed: {name}: {reason}" for name, reason in summary.failures.items()]
    return tuple(points)


def _sections(summary: DynamicsSummary, found: tuple[Claim, ...]) -> tuple[Section, ...]:
    return (
        Section(
            "The source's claims",
            "Look at the outcome, then at how far the interval is from where it would be another.",
            tables=(tables.outcomes(found), tables.rules(found)),
        ),
        Section(
            "Alignments over training",
            "Look whether blue and orange rise together, and whether accuracy follows the orange.",
            tables=(tables.alignments(summary), tables.uncentred(summary)),
            plate="courses",
            caption="By rising homophily, which stands in brackets. Alignments and accuracy share the axis. "
            "Bands: lowest to highest seed.",
            empty="No run has finished.",
        ),
        Section(
            "Alignment and homophily",
            "Look whether the black diamonds rise to the right: there, the graph knows the labels.",
            plate="homophily",
            caption="Kernels are averaged over training.",
            empty="No graph has an edge between labelled nodes.",
        ),
        Section(
            "Where the graph helps",
            "Look whether triangles rise from left to right: there, alignment tells wins from losses.",
            tables=(tables.accuracies(summary),),
            plate="wins",
            caption="Test accuracy, GCN minus MLP on the same seeds, with its 95 % interval.",
            empty="No run has finished.",
        ),
        Section(
            "Residual propagation beside a GCN",
            "Look whether squares keep up with circles above, and how far left of them they are below.",
            tables=(tables.propagation(summary),),
            plate="propagation",
            caption="The power is chosen on validation nodes among "
            f"{join([str(power) for power in summary.options.powers])}; at most "
            f"{summary.options.steps} steps.",
            empty="No run has finished.",
        ),
        Section(
            "Graphs and conditions",
            "Look up what was changed in a graph, and how many of its nodes kernels were measured between.",
            tables=(tables.graphs(summary),),
        ),
    )


def _images(summary: DynamicsSummary) -> dict[str, Image]:
    images = {}
    with drawing():
        for name, (draw, describe) in FIGURES.items():
            figure = draw(summary)
            if figure is not None:
                images[name] = Image(png(figure), describe(summary))
    return images
