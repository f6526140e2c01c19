"""The figures of an editing report: what edits cost, angles with anchors, gradients of single nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.records.editing import NAMES, EditRun, NodeGradient
from gradprobe.reports.editing.summary import Drawdown, EditSummary, MethodSummary, cosines
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, two_digits
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series, course
from gradprobe.reports.kit.plots.strips import Strip, Strips
from gradprobe.reports.statistics.seeds import Band, band

Methods = tuple[MethodSummary, ...]
_PLAIN = ("gd", "egnn")  # what rewires nothing


def drawdown(name: str, methods: Methods) -> Figure:
    """Accuracy lost against edits made, one line a method. EGNN has a test panel of its own."""
    side = [found for found in methods if found.method.startswith("egnn")]
    plain = [found for found in methods if found not in side]
    panels = [
        Panel("", "test accuracy lost", tuple(_line(found, found.test) for found in group), height=2.2)
        for group in (plain, side)
        if group
    ]
    train = tuple(_line(found, found.train) for found in methods)
    panels.append(Panel("", "training accuracy lost", train, height=2.0))
    said = "; ".join(
        f"{NAMES[found.method]} {number(_band(found.test).mean[-1])}"
        for found in methods
        if _band(found.test).mean
    )
    return Figure(
        name=name,
        plot=Chart(tuple(panels), "edits made"),
        words=f"Lines of accuracy lost against edits made. Test accuracy lost after the last edit: {said}.",
        caption="Mean over seeds; band: lowest to highest seed. Dashed: EGNN, whose perceptron alone is "
        "edited.",
    )


def spread(name: str, methods: Methods) -> Figure:
    """What single edits cost, each on the trained model: one row a method, one dot an edit."""
    losses = {NAMES[found.method]: _losses(found) for found in methods}
    rows = tuple(
        Strip(NAMES[found.method], _losses(found), colours.of_edit_method(found.method).colour)
        for found in methods
    )
    said = "; ".join(
        f"{method} {number(values.mean())}, at worst {number(values.max())}"
        for method, values in losses.items()
    )
    return Figure(
        name=name,
        plot=Strips(rows, "test accuracy lost by one edit"),
        words=f"Dots of the test accuracy lost by single edits, one row a method. On average: {said}.",
        caption="A dot an edit, all seeds; bar: mean. Each edit starts from the trained model.",
    )


def angles(name: str, methods: Methods) -> Figure:
    """Cosines of edits with their anchors at the first step, before and after rewiring."""
    said = "; ".join(
        f"{NAMES[found.method]} {number(found.opposed_before.mean)} before, "
        f"{number(found.opposed_after.mean)} after"
        for found in methods
    )
    return Figure(
        name=name,
        plot=Strips(
            tuple(row for found in methods for row in _angle_rows(found)),
            "cosine with an anchor",
            limits=(-1.0, 1.0),
            line=0.0,
        ),
        words=f"Dots of the cosines of edits with their anchors. Share of anchors opposed: {said}.",
        caption="First step of each edit, stored anchors, all seeds; bar: mean.",
    )


def inconsistency(summary: EditSummary) -> Figure | None:
    """Gradients of single nodes against the training gradient: angle and discrepancy, a dot a node."""
    if not summary.models:
        return None
    panels = []
    for model in summary.models:
        cells = [run for run in summary.runs if run.key.model == model]
        series = (
            _nodes(_drawn(cells, right=True), colours.RIGHT, "s", "predicted right"),
            _nodes(_drawn(cells, right=False), colours.WRONG, "o", "predicted wrongly (targets)"),
        )
        panels.append(
            Panel(
                NAMES[model],
                "relative discrepancy",
                series,
                uprights=((0.0, "", "-"),),
                x_limits=(-1.0, 1.0),
                y_scale="log",
            )
        )
    said = "; ".join(
        f"{NAMES[found.model]}: discrepancy {number(found.relative[0].mean)} of wrong against "
        f"{number(found.relative[1].mean)} of right predictions, cosine {two_digits(found.cosine[0].mean)} "
        f"against {two_digits(found.cosine[1].mean)}"
        for found in summary.inconsistency
    )
    return Figure(
        name="inconsistency",
        plot=Chart(tuple(panels), "cosine of a node's gradient with the training gradient"),
        words="Scatter of nodes by the cosine and the relative discrepancy of their gradient. Medians: "
        f"{said}.",
        caption="A dot a node, all seeds. The discrepancy is mostly the length of a node's gradient; "
        "only the cosine says whether it conflicts.",
    )


def _line(found: MethodSummary, drawdowns: Sequence[Drawdown]) -> Series:
    look = colours.of_edit_method(found.method)
    return course(_band(drawdowns), look.colour, NAMES[found.method], line=look.line)


def _band(drawdowns: Sequence[Drawdown]) -> Band:
    return band([dict(enumerate(found.course, start=1)) for found in drawdowns])


def _losses(found: MethodSummary) -> FloatArray:
    return np.array([value for drawdown in found.test for value in drawdown.course])


def _angle_rows(found: MethodSummary) -> list[Strip]:
    """A row before and one after rewiring; what rewires nothing has one."""
    name, colour = NAMES[found.method], colours.of_edit_method(found.method).colour
    pairs = [cosines(run) for run in found.runs]
    before, after = (np.concatenate([pair[side] for pair in pairs] or [np.zeros(0)]) for side in (0, 1))
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if found.method in _PLAIN:
        return [Strip(name, before, colour)]
    return [Strip(f"{name}, before", before, colour), Strip("after", after, colour)]


def _drawn(cells: Sequence[EditRun], *, right: bool) -> list[NodeGradient]:
    nodes = [node for cell in cells for node in cell.gradients if node.right is right]
    return [node for node in nodes if node.cosine is not None and node.relative]


def _nodes(nodes: Sequence[NodeGradient], colour: str, marker: str, name: str) -> Series:
    x, y = ([getattr(node, field) for node in nodes] for field in ("cosine", "relative"))
    return Series(name, colour, x, y, line="", marker=marker, size=3.5, alpha=0.45)
