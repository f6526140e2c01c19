"""The tables of a depth report."""

from __future__ import annotations

import math
from collections import Counter

from gradprobe.geometry.diagnosis import ALIKE, EXPANDED, VANISHED
from gradprobe.records.depth import Finding
from gradprobe.reports.depth.claim import SimilarityComparison
from gradprobe.reports.depth.summary import DepthCell, DepthSummary
from gradprobe.reports.kit.document import Table, facts
from gradprobe.reports.kit.numbers import ABSENT, cell, difference, number, signed, with_span
from gradprobe.reports.statistics.ranks import BootstrapInterval

_FINDINGS: tuple[Finding, ...] = ("oversmoothing", "vanishing", "expansion", "none")


def accuracies(summary: DepthSummary) -> Table:
    """Test accuracy by depth and architecture."""
    rows = [
        (str(layers), *(_accuracy(summary.cell(variant, layers)) for variant in summary.variants))
        for layers in summary.depths
    ]
    return Table(
        "Test accuracy by depth",
        ("layers", *summary.variants),
        tuple(rows),
        note="Mean over seeds, lowest and highest seed below it, at the epoch best on validation.",
    )


def gains(summary: DepthSummary) -> Table:
    """What normalisation gains at each depth."""
    rows = [
        (str(layers), difference(gain), str(gain.seeds)) for layers, gain in sorted(summary.gains.items())
    ]
    return Table(
        "Gain from normalisation",
        ("layers", "test accuracy, normalised minus not", "seeds"),
        tuple(rows),
        note="Paired by seed: mean and 95% t interval.",
    )


def findings(summary: DepthSummary) -> Table:
    """The diagnoses by depth and architecture, when training starts and ends."""
    rows = [
        (
            own.variant,
            str(own.layers),
            _counts(Counter(run.gradient.findings[0] for run in own.runs)),
            _counts(own.gradient),
            _counts(Counter(run.representation.findings[0] for run in own.runs)),
            _counts(own.representation),
            cell(own.train),
            str(own.diverged),
        )
        for own in summary.cells
    ]
    return Table(
        "What gradients and representations do",
        (
            "architecture",
            "layers",
            "gradients, start",
            "gradients, end",
            "representations, start",
            "representations, end",
            "best train accuracy",
            "diverged",
        ),
        tuple(rows),
        note="Runs by diagnosis at the first and last measurement. Oversmoothing: relative mu of "
        f"{ALIKE:g} or less at some layer; vanishing: a norm of {VANISHED:g} times the start's or less; "
        f"expansion: mu {EXPANDED:g} times the start's or more, or overflow. Gradients start at the last "
        "layer.",
        names=6,
    )


def reasons(summary: DepthSummary) -> Table:
    """Why, in words, for the first seed of every cell."""
    rows = [
        (cell.variant, str(cell.layers), signal, run.findings[-1], run.reasons[-1])
        for cell in summary.cells
        for signal, run in (
            ("gradients", cell.runs[0].gradient),
            ("representations", cell.runs[0].representation),
        )
    ]
    return Table(
        "Diagnoses in words, when training ends",
        ("architecture", "layers", "of", "finding", "why"),
        tuple(rows),
        note="For the first seed of each architecture and depth.",
        names=5,
        folded=True,
    )


def claims(summary: DepthSummary) -> Table:
    """Rank correlations of similarities with test accuracy."""
    rows = [_claim(comparison) for comparison in summary.comparisons]
    rows.append(("number of layers alone", _interval(summary.depth), "", "", ""))
    return Table(
        "Which similarity goes with test accuracy",
        ("similarity", "gradients", "representations", "advantage of gradients", "runs"),
        tuple(rows),
        note="Spearman's rank correlation with test accuracy, 95% interval below it from depths and "
        "architectures drawn anew with all their seeds. Advantage: size of the gradients' minus size of the "
        "representations'. Runs in cells of one depth and architecture. The first row is the source's.",
    )


def options(summary: DepthSummary) -> Table:
    """The graph, and what all runs have in common."""
    graph, shared = summary.graph, summary.options
    rows = [
        ("graph", f"{graph.name}: {graph.nodes} nodes, {graph.edges} edges, {graph.classes} classes"),
        ("edge homophily", number(math.nan if graph.homophily is None else graph.homophily)),
        ("components", str(graph.components)),
        *(("note", note) for note in graph.notes),
        ("network", f"{shared.model.upper()}, {shared.width} wide, no dropout; rows of features sum to 1"),
        (
            "training",
            f"Adam, {shared.epochs} epochs of the full graph, learning rate {shared.learning_rate:g}, "
            f"weight decay {shared.weight_decay:g}",
        ),
        ("measured", f"every {shared.probe_every} epochs and at the last"),
        ("seconds", number(sum(run.seconds for cell in summary.cells for run in cell.runs))),
    ]
    return facts("The runs", tuple(rows))


def failures(summary: DepthSummary) -> Table:
    """Runs that did not finish, and why."""
    return Table("Runs that failed", ("run", "why"), tuple(summary.failures.items()), names=2)


def _accuracy(found: DepthCell | None) -> str:
    return ABSENT if found is None else cell(found.test)


def _counts(found: Counter[Finding]) -> str:
    known = [(finding, found[finding]) for finding in _FINDINGS if found[finding]]
    if len(known) == 1:
        return known[0][0]
    return ", ".join(f"{finding} {amount}" for finding, amount in known)


def _claim(comparison: SimilarityComparison) -> tuple[str, ...]:
    return (
        f"{comparison.measure}, {comparison.place}, {comparison.moment}",
        _interval(comparison.gradient),
        _interval(comparison.representation),
        _interval(comparison.advantage),
        f"{comparison.runs} in {comparison.cells}",
    )


def _interval(found: BootstrapInterval) -> str:
    if math.isnan(found.value):
        return ABSENT
    return with_span(found.value, found.low, found.high, signed, below=True)
