"""The report of an editing study, from its summary."""

from __future__ import annotations

from functools import partial

from gradprobe.records.editing import NAMES, ModelKind, Protocol
from gradprobe.reports.editing import tables
from gradprobe.reports.editing.figures import angles, drawdown, inconsistency, spread
from gradprobe.reports.editing.summary import EditSummary
from gradprobe.reports.editing.wording import headline, points
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.numbers import count
from gradprobe.reports.kit.page import Page, draw_image
from gradprobe.reports.kit.section import Section


def edit_page(summary: EditSummary) -> Page:
    """The page: what edits cost under each protocol, gradients against training, angles with anchors."""
    cells = count(len(summary.runs), "trained model")
    return Page(
        title=f"Edits of models on {summary.graph.name}",
        subtitle=f"{cells}; {summary.graph.nodes} nodes, {summary.graph.edges} edges",
        headline=headline(summary),
        points=points(summary),
        sections=_sections(summary),
        images=_images(summary),
    )


def _pairs(summary: EditSummary) -> list[tuple[ModelKind, Protocol]]:
    return [(model, protocol) for model in summary.models for protocol in summary.options.protocols]


def _images(summary: EditSummary) -> dict[str, Image]:
    images = {}
    for model, protocol in _pairs(summary):
        methods = summary.of(model, protocol)
        if protocol == "sequential":
            images[f"{model}-{protocol}"] = draw_image(
                partial(drawdown.draw, methods), drawdown.describe(methods)
            )
        elif protocol == "independent":
            images[f"{model}-{protocol}"] = draw_image(
                partial(spread.draw, methods), spread.describe(methods)
            )
        images[f"{model}-{protocol}-angles"] = draw_image(
            partial(angles.draw, methods), angles.describe(methods)
        )
    if summary.models:
        images["inconsistency"] = draw_image(
            partial(inconsistency.draw, summary), inconsistency.describe(summary)
        )
    return images


def _sections(summary: EditSummary) -> tuple[Section, ...]:
    return (
        *(_outcome(summary, model, protocol) for model, protocol in _pairs(summary)),
        Section(
            title="What rewiring saves",
            look_for="Look for intervals that leave zero out; a method that saves nothing is not worth its "
            "steps.",
            tables=(tables.savings(summary),),
        ),
        Section(
            title="Gradients of targets against training",
            look_for="Look for dots left of zero: descending their loss alone raises the training loss. "
            "Compare with nodes predicted right before blaming the model.",
            tables=(tables.inconsistencies(summary),),
            plate="inconsistency",
            caption="A dot a node, all seeds. The discrepancy is mostly the length of a node's gradient; "
            "only the cosine says whether it conflicts.",
        ),
        *(_angles(model, protocol) for model, protocol in _pairs(summary)),
        Section(
            title="The runs",
            look_for="Look for what all cells share; other options may give another picture.",
            tables=(tables.options(summary), tables.failures(summary)),
        ),
    )


def _outcome(summary: EditSummary, model: ModelKind, protocol: Protocol) -> Section:
    captions = {
        "sequential": "Mean over seeds; band: lowest to highest seed. Dashed: EGNN, whose perceptron alone "
        "is edited.",
        "independent": "A dot an edit, all seeds; bar: mean. Each edit starts from the trained model.",
        "batch": "",
    }
    look = {
        "sequential": "Look for lines that stay low to the right: edits add up, and stored anchors go stale.",
        "independent": "Look at the right end of each row: a method is judged by its worst edits too.",
        "batch": "Look at success and cost together: one edit for all targets.",
    }
    plate = "" if protocol == "batch" else f"{model}-{protocol}"
    return Section(
        title=f"{NAMES[model]}: {protocol} edits",
        look_for=look[protocol],
        tables=(tables.outcomes(summary, model, protocol),),
        plate=plate,
        caption=captions[protocol],
    )


def _angles(model: ModelKind, protocol: Protocol) -> Section:
    return Section(
        title=f"{NAMES[model]}, {protocol} edits: angles with the anchors",
        look_for="Look for dots left of zero after rewiring: parts of the training nodes that a step "
        "opposes. GRE promises none on the whole, GRE+ none on any part.",
        plate=f"{model}-{protocol}-angles",
        caption="First step of each edit, stored anchors, all seeds; bar: mean.",
    )
