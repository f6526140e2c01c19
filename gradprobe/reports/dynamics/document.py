"""The report of `gradprobe graph dynamics`, from the summary of its runs."""

from __future__ import annotations

from gradprobe.reports.dynamics import figures, tables
from gradprobe.reports.dynamics.claims import Claim, claims
from gradprobe.reports.dynamics.summary import DynamicsSummary
from gradprobe.reports.kit.document import Document, Section
from gradprobe.reports.kit.words import count, join

_EXPLAINS = 4
"""The place among the claims of the question that the report is about."""


def dynamics_document(summary: DynamicsSummary) -> Document:
    """The document on kernels and residual propagation."""
    found = claims(summary)
    return Document(
        title="Kernels, graphs and labels over training",
        subtitle=_subtitle(summary),
        headline=_headline(found),
        points=_points(summary, found),
        sections=_sections(summary, found),
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
        f"Over seeds, by more than chance, the GCN beats the MLP on {join(won) or 'no graph'}, and loses on "
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
            figure=figures.courses(summary),
            empty="No run has finished.",
        ),
        Section(
            "Alignment and homophily",
            "Look whether the black diamonds rise to the right: there, the graph knows the labels.",
            figure=figures.homophily(summary),
            empty="No graph has an edge between labelled nodes.",
        ),
        Section(
            "Where the graph helps",
            "Look whether triangles rise from left to right: there, alignment tells wins from losses.",
            tables=(tables.accuracies(summary),),
            figure=figures.wins(summary),
            empty="No run has finished.",
        ),
        Section(
            "Residual propagation beside a GCN",
            "Look whether squares keep up with circles above, and how far left of them they are below.",
            tables=(tables.propagation(summary),),
            figure=figures.propagation(summary),
            empty="No run has finished.",
        ),
        Section(
            "Graphs and conditions",
            "Look up what was changed in a graph, and how many of its nodes kernels were measured between.",
            tables=(tables.graphs(summary),),
        ),
    )
