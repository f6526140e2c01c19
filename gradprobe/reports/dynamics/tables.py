"""The tables of a dynamics report."""

from __future__ import annotations

import math

from gradprobe.records.dynamics import NAMES
from gradprobe.reports.dynamics.claims import Claim
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, cell, difference, number
from gradprobe.reports.statistics.seeds import over_seeds


def outcomes(found: tuple[Claim, ...]) -> Table:
    """The source's claims and what was found."""
    return Table(
        "What the source says",
        ("claim", "outcome", "found"),
        tuple((claim.text, claim.outcome, claim.found) for claim in found),
        note="Intervals are 95 % and over graphs, which count once each with their mean over seeds: t "
        "intervals of differences, bootstrap intervals of rank correlations.",
        names=3,
    )


def rules(found: tuple[Claim, ...]) -> Table:
    """What it takes to confirm each claim."""
    return Table(
        "When a claim counts as confirmed",
        ("claim", "rule"),
        tuple((claim.text, claim.rule) for claim in found),
        names=2,
        folded=True,
    )


def alignments(summary: DynamicsSummary) -> Table:
    """Centred alignments of every graph."""
    return Table(
        "Alignments",
        (
            "graph",
            "homophily",
            "graph–labels",
            "between all nodes",
            "GCN kernel–graph",
            "change in training",
            "GCN kernel–labels",
            "MLP kernel–labels",
        ),
        tuple(
            (
                graph.facts.name,
                number(graph.homophily, digits=2),
                cell(graph.graph_target),
                ABSENT if graph.whole is None else number(graph.whole),
                cell(graph.during("gcn", "kernel_graph")),
                number(graph.rise.mean, signed=True, digits=2),
                cell(graph.during("gcn", "kernel_target")),
                cell(graph.during("mlp", "kernel_target")),
            )
            for graph in summary.graphs
        ),
        note="Centred; kernels averaged over the checkpoints of a run, change from the first to the last. "
        "Means over seeds, below them lowest and highest. "
        "An alignment depends on how many nodes it is measured between: compare graphs at the same number.",
    )


def uncentred(summary: DynamicsSummary) -> Table:
    """What the alignments would be without centring, at the last checkpoint of the GCN."""
    return Table(
        "Alignments that are not centred",
        ("graph", "graph–labels", "GCN kernel–graph", "GCN kernel–labels"),
        tuple(
            (
                graph.facts.name,
                *(
                    number(_last_uncentred(graph, name))
                    for name in ("graph_target", "kernel_graph", "kernel_target")
                ),
            )
            for graph in summary.graphs
        ),
        note="At the last checkpoint. Kernels without negative entries look alike for their means alone, "
        "which is why the centred numbers are the ones to read.",
        folded=True,
    )


def accuracies(summary: DynamicsSummary) -> Table:
    """Test accuracies and what the graph is worth."""
    return Table(
        "Test accuracy",
        ("graph", "homophily", *(NAMES[method] for method in summary.methods), "GCN − MLP"),
        tuple(
            (
                graph.facts.name,
                number(graph.homophily, digits=2),
                *(
                    cell(found) if (found := graph.accuracy(method)).seeds else ABSENT
                    for method in summary.methods
                ),
                difference(graph.difference("gcn", "mlp")),
            )
            for graph in summary.graphs
        ),
        note="At the best validation epoch or step. Means over seeds, below them lowest and highest; the "
        "difference is paired by seed, with its 95 % t interval.",
    )


def propagation(summary: DynamicsSummary) -> Table:
    """How residual propagation ran, and what it cost."""
    return Table(
        "Residual propagation",
        (
            "graph",
            "powers chosen",
            "coverage",
            "RP seconds",
            "all powers",
            "RP + kernel seconds",
            "GCN seconds",
            "GCN / RP",
            "growth, K=1",
            "growth, K=3",
        ),
        tuple(_propagation_row(graph) for graph in summary.graphs),
        note="Seconds are those spent computing, in one thread, validation included. Coverage is the share "
        "of nodes that a label has reached. Growth is the factor by which residuals of training nodes grow "
        "in a step with an odd power; above 1, they grow without end.",
    )


def graphs(summary: DynamicsSummary) -> Table:
    """The graphs and how they came about."""
    return Table(
        "Graphs",
        ("graph", "nodes", "edges", "features", "classes", "nodes measured", "seeds", "notes"),
        tuple(
            (
                graph.facts.name,
                f"{graph.facts.nodes:,}",
                f"{graph.facts.edges:,}",
                f"{graph.facts.features:,}",
                str(graph.facts.classes),
                str(max(run.sampled for run in graph.runs)),
                str(len(graph.runs)),
                "; ".join((*graph.facts.notes, *_reasons(graph))) or ABSENT,
            )
            for graph in summary.graphs
        ),
        folded=True,
    )


def _propagation_row(graph: GraphSummary) -> tuple[str, ...]:
    fits = [run.fit("rp") for run in graph.runs]
    seconds, network = graph.seconds("rp"), graph.seconds("gcn")
    kernel = graph.seconds("rp_kernel")
    return (
        graph.facts.name,
        ", ".join(str(power) for power in sorted({fit.power for fit in fits if fit.power is not None})),
        number(over_seeds([fit.coverage for fit in fits if fit.coverage is not None]).mean),
        number(seconds, digits=2),
        number(over_seeds([fit.search_seconds for fit in fits if fit.search_seconds]).mean, digits=2),
        number(kernel, digits=2) if math.isfinite(kernel) else ABSENT,
        number(network, digits=2),
        number(network / seconds, digits=2) if seconds > 0.0 else ABSENT,
        number(graph.growth(1)),
        number(graph.growth(3)),
    )


def _last_uncentred(graph: GraphSummary, name: str) -> float:
    values = [getattr(run.course("gcn")[-1].uncentred, name) for run in graph.runs]
    return over_seeds([value for value in values if value is not None]).mean


def _reasons(graph: GraphSummary) -> list[str]:
    """Why a method has not run."""
    return list(dict.fromkeys(fit.reason for run in graph.runs for fit in run.fits if fit.reason))
