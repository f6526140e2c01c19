"""The report of node methods, from the summary of their runs: scores, training, one model's nodes, cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradprobe.reports.kit.document import Document, Section
from gradprobe.reports.nodes import figures, tables
from gradprobe.reports.nodes.headline import headline, points, subtitle, title
from gradprobe.reports.nodes.summary import NodesSummary, Snapshot
from gradprobe.reports.nodes.words import Told, remarks

_EMPTY = "No run has finished."


def nodes_document(summary: NodesSummary) -> Document:
    """The document on node methods."""
    return Document(
        title=title(summary),
        subtitle=subtitle(summary),
        headline=headline(summary),
        points=points(summary),
        sections=(
            *_scores(summary),
            *_training(summary),
            *(_nodes(summary.snapshot, summary.explanations) if summary.snapshot is not None else ()),
            Section(
                "Cost and conditions",
                "Look whether a gain, if there is one, is worth the time.",
                tables=(tables.costs(summary), tables.conditions(summary)),
            ),
        ),
    )


def _scores(summary: NodesSummary) -> Iterator[Section]:
    yield Section(
        "Does it help?",
        "Look for intervals that lie on one side of zero.",
        figure=figures.differences(summary),
        tables=(tables.scores(summary), tables.differences(summary)),
        empty="There is no other method to compare with the base, or no seed that both have finished.",
    )
    if any(run.is_variant for run in summary.runs):
        yield Section(
            "What each part does",
            "Look for a method that falls when one of its parts is taken out: there, the part helps.",
            figure=figures.ablation(summary),
            empty=_EMPTY,
        )


def _training(summary: NodesSummary) -> Iterator[Section]:
    yield Section(
        "Accuracy over training",
        "Look for lines that rise sooner or stay higher by more than the bands are wide.",
        figure=figures.curves(summary),
        empty=_EMPTY,
    )
    if summary.starts is not None:
        yield Section(
            "Random starts",
            "Look how far apart starts end: what a choice among them can gain, for any method.",
            figure=figures.starts(summary),
        )
    yield Section(
        "Conflict energy and the gate",
        "Look whether energy falls where the reasoning is on.",
        figure=figures.energy(summary),
        empty=_EMPTY,
    )


def _nodes(found: Snapshot, explanations: Sequence[Told]) -> Iterator[Section]:
    whose = f"{found.method} on {found.model}, seed {found.seed}"
    if len(found.nodes) < found.total:
        whose += f", {len(found.nodes):,} of {found.total:,} nodes drawn at random"
    yield Section(
        "Nodes in conflict",
        "Look whether the crosses sit between the groups, and whether they become fewer.",
        figure=figures.embedding(found, whose),
        empty=_EMPTY,
    )
    yield Section(
        "Where they stand in the graph",
        "Look whether crosses gather at some degree or clustering.",
        figure=figures.degree(found, whose),
        empty="No node has two neighbours, so there is no clustering coefficient.",
    )
    yield Section(
        "Agreement with the neighbours",
        "Look for mass that moves to the right of zero.",
        figure=figures.alignment(found, whose),
        empty="No node has a gradient with one of its neighbours.",
    )
    yield Section(
        "Messages to a node in conflict",
        "Look whether neighbours that are in conflict themselves are heard less.",
        figure=figures.attention(found, whose),
        empty="No node with two neighbours is in conflict, or the method has no attention.",
    )
    if len(found.most_conflicted):
        yield Section(
            "The most conflicted nodes in words",
            "Look up these nodes: their labels, their edges, their neighbours' labels.",
            tables=(tables.features(found),),
            remarks=remarks(explanations),
        )
