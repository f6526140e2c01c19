"""The report of an editing study, from its summary: what edits cost, gradients against training, angles."""

from __future__ import annotations

from gradprobe.records.editing import NAMES, ModelKind, Protocol
from gradprobe.reports.editing import figures, tables
from gradprobe.reports.editing.summary import EditSummary
from gradprobe.reports.editing.wording import headline, points
from gradprobe.reports.kit.document import Document, Section
from gradprobe.reports.kit.words import count

_LOOK_FOR = {
    "sequential": "Look for lines that stay low to the right: edits add up, and stored anchors go stale.",
    "independent": "Look at the right end of each row: a method is judged by its worst edits too.",
    "batch": "Look at success and cost together: one edit for all targets.",
}


def edit_document(summary: EditSummary) -> Document:
    """The document on an editing study."""
    cells = count(len(summary.runs), "trained model")
    pairs = [(model, protocol) for model in summary.models for protocol in summary.options.protocols]
    return Document(
        title=f"Edits of models on {summary.graph.name}",
        subtitle=f"{cells}; {summary.graph.nodes} nodes, {summary.graph.edges} edges",
        headline=headline(summary),
        points=points(summary),
        sections=(
            *(_outcome(summary, model, protocol) for model, protocol in pairs),
            Section(
                title="What rewiring saves",
                look_for="Look for intervals that leave zero out; a method that saves nothing is not worth "
                "its steps.",
                tables=(tables.savings(summary),),
            ),
            Section(
                title="Gradients of targets against training",
                look_for="Look for dots left of zero: descending their loss alone raises the training loss. "
                "Compare with nodes predicted right before blaming the model.",
                figure=figures.inconsistency(summary),
                tables=(tables.inconsistencies(summary),),
                empty="No cell has finished.",
            ),
            *(_angles(summary, model, protocol) for model, protocol in pairs),
            Section(
                title="The runs",
                look_for="Look for what all cells share; other options may give another picture.",
                tables=(tables.options(summary), tables.failures(summary)),
            ),
        ),
    )


def _outcome(summary: EditSummary, model: ModelKind, protocol: Protocol) -> Section:
    draw = {"sequential": figures.drawdown, "independent": figures.spread}.get(protocol)
    name = f"{model}-{protocol}"
    return Section(
        title=f"{NAMES[model]}: {protocol} edits",
        look_for=_LOOK_FOR[protocol],
        figure=draw(name, summary.of(model, protocol)) if draw else None,
        tables=(tables.outcomes(summary, model, protocol),),
    )


def _angles(summary: EditSummary, model: ModelKind, protocol: Protocol) -> Section:
    return Section(
        title=f"{NAMES[model]}, {protocol} edits: angles with the anchors",
        look_for="Look for dots left of zero after rewiring: parts of the training nodes that a step "
        "opposes. GRE promises none on the whole, GRE+ none on any part.",
        figure=figures.angles(f"{model}-{protocol}-angles", summary.of(model, protocol)),
    )
