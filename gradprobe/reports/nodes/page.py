"""The report of `gradprobe nodes`, from the summary of its runs."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.reports.kit.canvas import drawing, png
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.kit.page import Page
from gradprobe.reports.kit.section import Section
from gradprobe.reports.nodes import tables
from gradprobe.reports.nodes.figures import FIGURES
from gradprobe.reports.nodes.headline import headline, points, subtitle, title
from gradprobe.reports.nodes.summary import NodesSummary
from gradprobe.reports.nodes.words import Told, remarks


def nodes_page(summary: NodesSummary, *, explanations: Sequence[Told] = ()) -> Page:
    """The page on node methods; `explanations` are of the snapshot's most conflicted nodes."""
    return Page(
        title=title(summary),
        subtitle=subtitle(summary),
        headline=headline(summary),
        points=points(summary),
        sections=(*_outcome(summary), *_training(summary), *_places(summary), *_words(summary, explanations)),
        images=_images(summary),
    )


def _images(summary: NodesSummary) -> dict[str, Image]:
    images = {}
    with drawing():
        for name, figure in FIGURES.items():
            drawn = figure.draw(summary)
            if drawn is not None:
                images[name] = Image(png(drawn), figure.describe(summary))
    return images


def _outcome(summary: NodesSummary) -> list[Section]:
    sections = [
        Section(
            "Does it help?",
            "Look for intervals that lie on one side of zero.",
            tables=(tables.scores(summary), tables.differences(summary)),
            plate="differences",
            caption="Test accuracy of each method minus the base's on the same seeds: mean and 95% interval.",
            empty="There is no other method to compare with the base, or no seed that both have finished.",
        )
    ]
    if any(run.is_variant for run in summary.runs):
        sections.append(
            Section(
                "What each part does",
                "Look for a method that falls when one of its parts is taken out: there, the part helps.",
                plate="ablation",
                caption="Mean test accuracy with single parts switched off, and lowest to highest seed. The "
                "dotted line is the base's mean.",
            )
        )
    return sections


def _training(summary: NodesSummary) -> list[Section]:
    sections = [
        Section(
            "Accuracy over training",
            "Look for lines that rise sooner or stay higher by more than the bands are wide.",
            plate="curves",
            caption="Accuracy on the validation nodes that choose the epoch; band: lowest to highest seed.",
        ),
        Section(
            "Conflict energy and the gate",
            "Look whether energy falls where the reasoning is on.",
            plate="energy",
            caption="Above: disagreement of neighbours' gradients at hidden layers, before any correction; "
            "band: lowest to highest seed. Below: the share of seeds in which the method acted, and how much "
            "weight GraGR++ gave to its second pathway.",
        ),
    ]
    if summary.starts is not None:
        sections.insert(
            1,
            Section(
                "Random starts",
                "Look how far apart starts end: what a choice among them can gain, for any method.",
                plate="starts",
                caption="The start of the lowest validation loss goes on; every method has as many starts.",
            ),
        )
    return sections


def _places(summary: NodesSummary) -> list[Section]:
    found = summary.snapshot
    if found is None:
        return []
    whose = f"{found.method} on {found.model}, seed {found.seed}"
    if len(found.nodes) < found.total:
        whose += f", {len(found.nodes):,} of {found.total:,} nodes drawn at random"
    return [
        Section(
            "Nodes in conflict",
            "Look whether the crosses sit between the groups, and whether they become fewer.",
            plate="embedding",
            caption=f"The first hidden representation ({whose}). A node is in conflict if its gradient has a "
            "negative cosine with the mean of its neighbours'.",
        ),
        Section(
            "Where they stand in the graph",
            "Look whether crosses gather at some degree or clustering.",
            plate="degree",
            caption=f"At the last moment above ({whose}); dots are moved by up to 3% so that all are seen. "
            "Nodes with fewer than two neighbours have no clustering coefficient.",
            empty="No node has two neighbours, so there is no clustering coefficient.",
        ),
        Section(
            "Agreement with the neighbours",
            "Look for mass that moves to the right of zero.",
            plate="alignment",
            caption=f"The same gradients before and after projection and smoothing ({whose}). "
            f"{number(100.0 * found.zero_share)}% of the nodes have no gradient there and are left out.",
            empty="No node has a gradient with one of its neighbours.",
        ),
        Section(
            "Messages to a node in conflict",
            "Look whether neighbours that are in conflict themselves are heard less.",
            plate="attention",
            caption=f"The weights of gradient attention, which sum to 1 ({whose}).",
            empty="No node with two neighbours is in conflict, or the method has no attention.",
        ),
    ]


def _words(summary: NodesSummary, explanations: Sequence[Told]) -> list[Section]:
    sections = []
    if summary.snapshot is not None and len(summary.snapshot.most_conflicted):
        sections.append(
            Section(
                "The most conflicted nodes in words",
                "Look up these nodes: their labels, their edges, their neighbours' labels.",
                tables=(tables.features(summary.snapshot),),
                remarks=remarks(explanations),
            )
        )
    sections.append(
        Section(
            "Cost and conditions",
            "Look whether a gain, if there is one, is worth the time.",
            tables=(tables.costs(summary), tables.conditions(summary)),
        )
    )
    return sections
