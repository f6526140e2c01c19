"""The figures of a report of node methods: scores, training, and one trained model's nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import difference, number, percent
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series, course
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row, paired_mark
from gradprobe.reports.kit.plots.histogram import Histogram
from gradprobe.reports.kit.words import count, join
from gradprobe.reports.nodes.summary import BASE, NodesSummary, RunSummary, Snapshot
from gradprobe.reports.statistics.seeds import Band, mean_defined

_FEW_NODES = 300  # up to this many, dots are larger
_SPREAD = 0.03  # many nodes share degree and clustering: dots are moved a little, so that all are seen
_MOST_NEIGHBOURS = 20  # beyond, their names would overlap
_DEGREES = tuple(digit * 10**power for power in range(5) for digit in (1, 2, 5))


def differences(summary: NodesSummary) -> Figure | None:
    """Test accuracy minus the base's, paired by seed, one panel a model."""
    shown: dict[str, list[RunSummary]] = {}
    for run in summary.runs:
        if run.method != BASE and run.differences["accuracy"].seeds:
            shown.setdefault(run.model, []).append(run)
    if not shown:
        return None
    panels = tuple(
        ForestPanel(
            model,
            tuple(
                Row(run.method, (paired_mark(run.differences["accuracy"], _colour(run.method)),))
                for run in runs
            ),
        )
        for model, runs in shown.items()
    )
    said = [
        f"{model}: " + join([f"{run.method} {difference(run.differences['accuracy'])}" for run in runs])
        for model, runs in shown.items()
    ]
    return Figure(
        name="differences",
        plot=Forest(panels, "test accuracy minus the base's (right: better)"),
        words=f"Paired differences of test accuracy from base with 95% intervals. {'; '.join(said)}.",
        caption="Test accuracy of each method minus the base's on the same seeds: mean and 95% interval.",
    )


def ablation(summary: NodesSummary) -> Figure | None:
    """Test accuracy of the methods and of each without one of its parts; the base's mean is dotted."""
    shown = {
        model: [run for run in summary.runs if run.model == model and run.test["accuracy"].seeds]
        for model in summary.models
    }
    shown = {model: runs for model, runs in shown.items() if any(run.is_variant for run in runs)}
    if not shown:
        return None
    said = [
        f"{run.model} {run.method} {number(run.test['accuracy'].mean)}"
        for runs in shown.values()
        for run in runs
    ]
    return Figure(
        name="ablation",
        plot=Forest(
            tuple(
                ForestPanel(model, tuple(map(_accuracy_row, runs)), line=_base_accuracy(runs))
                for model, runs in shown.items()
            ),
            "test accuracy",
            lines=(),
        ),
        words=f"Dots of mean test accuracy. {'; '.join(said)}.",
        caption="Mean test accuracy with single parts switched off, and lowest to highest seed. The "
        "dotted line is the base's mean.",
    )


def curves(summary: NodesSummary) -> Figure | None:
    """Validation accuracy over training, one panel a model, the main methods only."""
    shown = [model for model in summary.models if any(run.accuracy.steps for run in summary.main(model))]
    if not shown:
        return None
    panels = tuple(
        Panel(model, "validation accuracy", tuple(_line(run, run.accuracy) for run in summary.main(model)))
        for model in shown
    )
    said = [
        f"{run.model} {run.method} ends at {number(run.accuracy.mean[-1])}"
        for model in summary.models
        for run in summary.main(model)
        if run.accuracy.steps
    ]
    return Figure(
        name="curves",
        plot=Chart(panels, "epoch"),
        words=f"Lines of validation accuracy over epochs. {'; '.join(said)}.",
        caption="Accuracy on the validation nodes that choose the epoch; band: lowest to highest seed.",
    )


def starts(summary: NodesSummary) -> Figure | None:
    """Validation accuracy of every random start of one cell until one is chosen to go on."""
    found = summary.starts
    if found is None:
        return None
    series = []
    for position, accuracies in enumerate(found.accuracies):
        chosen = position == found.chosen
        first_other = position == int(found.chosen == 0)
        series.append(
            Series(
                "chosen" if chosen else "not chosen" if first_other else "",
                _colour(found.method) if chosen else colours.FAINT,
                range(1, len(accuracies) + 1),
                accuracies,
                width=2.2 if chosen else 1.0,
                alpha=1.0 if chosen else 0.6,
            )
        )
    # The chosen one is drawn last, on top.
    series.append(series.pop(found.chosen))
    title = f"{found.model}, {found.method}, seed {found.seed}"
    panel = Panel(
        title,
        "validation accuracy",
        tuple(series),
        uprights=((float(found.trial_epochs), "", "--"),),
        height=2.6,
    )
    ends = [accuracies[found.trial_epochs - 1] for accuracies in found.accuracies]
    return Figure(
        name="starts",
        plot=Chart((panel,), "epoch (dashed: one start is chosen)", legend_columns=2),
        words=f"Lines of validation accuracy of {count(len(ends), 'random start')}, between "
        f"{number(min(ends))} and {number(max(ends))} at epoch {found.trial_epochs}; the chosen "
        f"one stands at {number(ends[found.chosen])}.",
        caption="The start of the lowest validation loss is continued; every method has as many starts.",
    )


def energy(summary: NodesSummary) -> Figure | None:
    """Of the first model: conflict energy per edge, when the reasoning was on, how far pathways opened."""
    shown = [run for model in summary.models[:1] for run in summary.main(model) if run.energy.steps]
    if not shown:
        return None
    reasoned = [run for run in shown if run.method != BASE]
    gated = [run for run in reasoned if max(run.openness.mean, default=0.0) > 0.0]
    title = f"Conflict energy per edge, {summary.models[0]}"
    lines = tuple(_line(run, run.energy) for run in shown)
    panels = [Panel(title, "mean of max(0, −cos)", lines, y_limits=(0.0, None))]
    for name, unit, runs, bands in (
        ("Reasoning is on", "share of seeds", reasoned, [run.open for run in reasoned]),
        ("Second pathway", "mean weight", gated, [run.openness for run in gated]),
    ):
        if runs:
            gates = tuple(_gate(run, band) for run, band in zip(runs, bands, strict=True))
            panels.append(Panel(name, unit, gates, y_limits=(-0.08, 1.08), height=1.1))
    said = [
        f"{run.method}: energy {number(run.energy.mean[0])} at first, {number(run.energy.mean[-1])} at last, "
        f"reasoning in {percent(run.open_share.mean)} of the epochs"
        for run in shown
    ]
    return Figure(
        name="energy",
        plot=Chart(tuple(panels), "epoch"),
        words=f"Lines of conflict energy per edge over epochs. {'; '.join(said)}.",
        caption="Above: disagreement of neighbours' gradients at hidden layers, before any correction; "
        "band: lowest to highest seed. Below: the share of seeds in which the method acted, and how much "
        "weight GraGR++ gave to its second pathway.",
    )


def embedding(found: Snapshot, whose: str) -> Figure | None:
    """The nodes on the plane of the two widest directions of the first hidden layer, a panel a moment."""
    if not found.moments:
        return None
    panels = []
    for moment in found.moments:
        conflicting = moment.conflicting
        x, y = moment.embedding.T
        title = f"{moment.name}: {int(conflicting.sum()):,} of {len(conflicting):,} in conflict"
        panels.append(
            Panel(title, "second direction", tuple(_nodes(x, y, conflicting)), height=2.7, unlabelled=True)
        )
    said = [
        f"{int(m.conflicting.sum())} of {count(len(m.conflicting), 'node')} {m.name}" for m in found.moments
    ]
    return Figure(
        name="embedding",
        plot=Chart(
            tuple(panels), "first direction (principal components; no unit)", share_x=False, legend_columns=2
        ),
        words=f"Scatter of nodes by their hidden representation; in conflict are {join(said)}.",
        caption=f"The first hidden representation ({whose}). A node is in conflict if its gradient has a "
        "negative cosine with the mean of its neighbours'.",
    )


def degree(found: Snapshot, whose: str) -> Figure | None:
    """Degree against clustering coefficient of the nodes with at least two neighbours."""
    defined = ~np.isnan(found.clustering)
    if not found.moments or not defined.any():
        return None
    conflicting = found.moments[-1].conflicting
    noise = np.random.default_rng(0).uniform(-_SPREAD, _SPREAD, size=(2, len(conflicting)))
    x, y = found.degree * (1.0 + noise[0]), found.clustering + noise[1]
    panel = Panel(
        "",
        "clustering coefficient",
        tuple(_nodes(x[defined], y[defined], conflicting[defined])),
        x_scale="log",
        ticks=tuple((float(tick), f"{tick:,}") for tick in _DEGREES if x[defined].min() <= tick <= x.max()),
        height=3.0,
    )
    means = [_means(found, chosen) for chosen in (conflicting, ~conflicting)]
    return Figure(
        name="degree",
        plot=Chart((panel,), "degree (number of neighbours)", legend_columns=2),
        words=f"Scatter of nodes. In conflict: {means[0]}. Others: {means[1]}.",
        caption=f"At the last moment above ({whose}); dots are moved by up to 3% so that all are seen. "
        "Nodes with fewer than two neighbours have no clustering coefficient.",
    )


def alignment(found: Snapshot, whose: str) -> Figure | None:
    """Mean cosines of nodes' gradients with their neighbours', before and after the correction."""
    if np.isnan(found.alignment_before).all():
        return None
    ends = [number(float(mean_defined(values))) for values in (found.alignment_before, found.alignment_after)]
    return Figure(
        name="alignment",
        plot=Histogram(
            (
                ("before", found.alignment_before, colours.FAINT),
                ("after", found.alignment_after, _colour(found.method)),
            ),
            (-1.0, 1.0),
            "alignment: mean cosine with the neighbours' gradients",
            "share of nodes",
        ),
        words=f"Histograms of neighbourhood alignment; its mean is {ends[0]} before and {ends[1]} after.",
        caption=f"The same gradients before and after projection and smoothing ({whose}). "
        f"{number(100.0 * found.zero_share)}% of the nodes have no gradient there and are left out.",
    )


def attention(found: Snapshot, whose: str) -> Figure | None:
    """The weight of each neighbour's message to one node in conflict, beside the same weight for all."""
    star = found.star
    if star is None:
        return None
    order = np.argsort(-np.array(star.weights), kind="stable")[:_MOST_NEIGHBOURS].tolist()
    equal = 1.0 / len(star.weights)
    rows = tuple(
        Row(f"node {star.neighbours[i]}", (_message(star.weights[i], conflicting=star.conflicting[i]),))
        for i in order
    )
    return Figure(
        name="attention",
        plot=Forest(
            (ForestPanel(f"Messages to node {star.node}, which is in conflict", rows),),
            "weight (dashed: the same for all; cross: in conflict)",
            lines=((equal, "--"),),
            row_height=0.24,
        ),
        words=f"Weights of {count(len(star.weights), 'neighbour')} of node {star.node}, from "
        f"{number(min(star.weights))} to {number(max(star.weights))}; without attention each has "
        f"{number(equal)}.",
        caption=f"The weights of gradient attention, which sum to 1 ({whose}).",
    )


def _colour(method: str) -> str:
    return colours.of_node_method(method).colour


def _accuracy_row(run: RunSummary) -> Row:
    found = run.test["accuracy"]
    mark = Mark(found.mean, _colour(run.method), found.low, found.high, size=7.0, width=1.6)
    return Row(run.method, (mark,))


def _base_accuracy(runs: Sequence[RunSummary]) -> float | None:
    return next((run.test["accuracy"].mean for run in runs if run.method == BASE), None)


def _line(run: RunSummary, band: Band) -> Series:
    look = colours.of_node_method(run.method)
    return course(band, look.colour, run.method, line=look.line)


def _gate(run: RunSummary, band: Band) -> Series:
    look = colours.of_node_method(run.method)
    return Series(run.method, look.colour, band.steps, band.mean, line=look.line, steps=True)


def _nodes(x: FloatArray, y: FloatArray, conflicting: BoolArray) -> Iterator[Series]:
    """Nodes as dots, those in conflict as crosses."""
    size = 5.0 if len(x) < _FEW_NODES else 3.0
    for chosen, colour, marker, name in (
        (~conflicting, colours.CALM, "o", "no conflict"),
        (conflicting, colours.CONFLICT, "X", "in conflict"),
    ):
        larger = size * (1.5 if marker == "X" else 1.0)
        yield Series(
            name,
            colour,
            x[chosen].tolist(),
            y[chosen].tolist(),
            line="",
            marker=marker,
            size=larger,
            alpha=0.85,
        )


def _message(weight: float, *, conflicting: bool) -> Mark:
    colour, marker = (colours.CONFLICT, "X") if conflicting else (colours.CALM, "o")
    return Mark(weight, colour, 0.0, weight, marker=marker, size=7.0)


def _means(found: Snapshot, chosen: BoolArray) -> str:
    degree = float(mean_defined(found.degree[chosen].astype(np.float64)))
    clustering = float(mean_defined(found.clustering[chosen]))
    return f"mean degree {number(degree)}, mean clustering {number(clustering)}"
