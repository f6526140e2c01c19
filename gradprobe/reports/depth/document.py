"""The report of a depth study, from its summary: accuracy by depth, layers, diagnoses, the claim, runs."""

from __future__ import annotations

from gradprobe.reports.depth import figures, tables
from gradprobe.reports.depth.summary import DepthSummary
from gradprobe.reports.depth.wording import claim, headline, points
from gradprobe.reports.kit.document import Document, Section
from gradprobe.reports.kit.words import count

_EMPTY = "No run has finished."


def depth_document(summary: DepthSummary) -> Document:
    """The document on a depth study."""
    graph, options = summary.graph, summary.options
    runs = sum(len(cell.runs) for cell in summary.cells)
    return Document(
        title=f"Gradients in deep {options.model.upper()}s on {graph.name}",
        subtitle=f"{count(runs, 'run')} of {options.epochs} epochs; {graph.nodes} nodes, {graph.edges} edges",
        headline=headline(summary),
        points=points(summary),
        sections=_sections(summary),
    )


def _sections(summary: DepthSummary) -> tuple[Section, ...]:
    first = summary.comparisons[0]
    return (
        Section(
            title="Accuracy against depth",
            look_for="Look for the depth at which a line leaves the others, and for bands that stay apart.",
            figure=figures.accuracy(summary),
            tables=(tables.accuracies(summary), tables.gains(summary)),
            empty=_EMPTY,
        ),
        Section(
            title="Similarity of gradients",
            look_for="Look for dark bands that begin at the last layer's end and spread upwards: gradients "
            "oversmooth on their way back.",
            figure=figures.heat(
                summary,
                "gradient",
                "similarity",
                "Only labelled nodes receive a gradient at the last layer: there, it measures that mask.",
            ),
            empty=_EMPTY,
        ),
        Section(
            title="Similarity of representations",
            look_for="Look for dark bands that spread downwards: representations oversmooth on their way "
            "forward.",
            figure=figures.heat(summary, "representation", "similarity"),
            empty=_EMPTY,
        ),
        Section(
            title="Norm of gradients",
            look_for="Look for colours that change by decades from the last layer to the first: vanishing "
            "where they fall, expansion where they rise.",
            figure=figures.heat(
                summary, "gradient", "norm", "Colours cover twelve decades at most; grey: zero or overflow."
            ),
            empty=_EMPTY,
        ),
        Section(
            title="Diagnoses",
            look_for="Look for what holds at every depth of an architecture, not in single runs.",
            tables=(tables.findings(summary), tables.reasons(summary)),
        ),
        Section(
            title="Does gradient similarity predict accuracy better?",
            look_for="Look at the first row, and at whether the interval of the advantage leaves zero out: "
            + claim(first),
            figure=figures.claim(summary, first),
            tables=(tables.claims(summary),),
            empty=_EMPTY,
        ),
        Section(
            title="The runs",
            look_for="Look for what all runs share; other options may give another picture.",
            tables=(tables.options(summary), tables.failures(summary)),
        ),
    )
