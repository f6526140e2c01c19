"""The claims of source 003, each with the rule that decides it and what was found.

Graphs, not seeds, are the pieces of evidence: intervals are over graphs, each of which counts once with its
mean over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np

from gradprobe.records.dynamics import NAMES, Method
from gradprobe.reports.dynamics.summary import DynamicsSummary, GraphSummary
from gradprobe.reports.kit.numbers import number, signed, signed_two_digits, span, two_digits
from gradprobe.reports.kit.words import count
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.ranks import RankCorrelation, rank_correlation

OfGraph = Callable[[GraphSummary], float]
Outcome = Literal["confirmed", "not confirmed", "not testable here"]
FEWEST = 3
"""Graphs from which on differences over graphs are judged."""
MARGIN = 0.02
"""Accuracy that a method may lose and still count as comparable."""
ORDERS = 100.0
"""How many times faster "orders of magnitude" is at least."""


@dataclass(frozen=True)
class Claim:
    """What the source says, what was found here, and whether that confirms it by the `rule`."""

    text: str
    rule: str
    found: str
    outcome: Outcome


def claims(summary: DynamicsSummary) -> tuple[Claim, ...]:
    """All claims that the runs speak to."""
    return (
        _closer_than_mlp(summary),
        _rises(summary),
        _homophily(summary),
        _moves_together(summary),
        _explains(summary),
        _explains_by_kernel(summary),
        *(_comparable(summary, method) for method in ("rp", "rp_kernel")),
        _faster(summary),
    )


def _closer_than_mlp(summary: DynamicsSummary) -> Claim:
    difference = paired_difference(
        _by_graph([graph.during("gcn", "kernel_graph").mean for graph in summary.graphs]),
        _by_graph([graph.during("mlp", "kernel_graph").mean for graph in summary.graphs]),
    )
    return Claim(
        "The kernel of a graph network aligns with the graph.",
        "averaged over training, the GCN's kernel is closer to the graph than the MLP's: interval above 0",
        f"kernel–graph alignment, GCN minus MLP: {_paired(difference)}",
        _judge(difference.seeds, confirmed=difference.low > 0.0),
    )


def _rises(summary: DynamicsSummary) -> Claim:
    difference = paired_difference(
        _by_graph([graph.rise.mean for graph in summary.graphs]),
        _by_graph([0.0] * len(summary.graphs)),
    )
    up = sum(graph.rise.mean > 0.0 for graph in summary.graphs)
    return Claim(
        "Training keeps and strengthens that alignment.",
        "the GCN's kernel–graph alignment rises from the first checkpoint to the last: interval above 0",
        f"change: {_paired(difference)}; it rose on {up} of {count(len(summary.graphs), 'graph')}",
        _judge(difference.seeds, confirmed=difference.low > 0.0),
    )


def _homophily(summary: DynamicsSummary) -> Claim:
    return _correlated(
        summary,
        "Graph–target alignment quantifies homophily.",
        lambda graph: graph.homophily,
        lambda graph: graph.graph_target.mean,
        "edge homophily with graph–target alignment",
    )


def _moves_together(summary: DynamicsSummary) -> Claim:
    return _correlated(
        summary,
        "A kernel closer to the graph is closer to the labels where the graph is homophilic, and farther "
        "from them where it is heterophilic.",
        lambda graph: graph.homophily,
        lambda graph: graph.together.mean,
        "homophily with how alignments with graph and labels move together over a run",
    )


def _explains(summary: DynamicsSummary) -> Claim:
    claim = _correlated(
        summary,
        "Alignment explains where graph networks succeed and fail.",
        lambda graph: graph.graph_target.mean,
        lambda graph: graph.gain,
        "graph–target alignment with accuracy, GCN minus MLP",
    )
    alone = rank_correlation(
        [graph.homophily for graph in summary.graphs], [graph.gain for graph in summary.graphs]
    )
    return (
        claim if alone.reason else replace(claim, found=f"{claim.found}; of homophily: {_correlation(alone)}")
    )


def _explains_by_kernel(summary: DynamicsSummary) -> Claim:
    return _correlated(
        summary,
        "The better aligned kernel generalises better.",
        lambda graph: graph.kernel_gain,
        lambda graph: graph.gain,
        "kernel–target alignment, GCN minus MLP, with accuracy, GCN minus MLP",
    )


def _correlated(summary: DynamicsSummary, text: str, first: OfGraph, second: OfGraph, what: str) -> Claim:
    graphs = summary.graphs
    found = rank_correlation([first(graph) for graph in graphs], [second(graph) for graph in graphs])
    return Claim(
        text,
        f"rank correlation over graphs of {what}: interval above 0",
        _correlation(found),
        "not testable here" if found.reason else "confirmed" if found.low > 0.0 else "not confirmed",
    )


def _comparable(summary: DynamicsSummary, method: Method) -> Claim:
    graphs = [graph for graph in summary.graphs if graph.homophilic]
    difference = _against_gcn(graphs, method)
    rest = _against_gcn([graph for graph in summary.graphs if not graph.homophilic], method)
    return Claim(
        f"{NAMES[method]} performs comparably to graph networks.",
        f"on homophilic graphs, accuracy minus the GCN's: interval above {number(-MARGIN)}",
        f"homophilic graphs: {_paired(difference)}; the others: {_paired(rest)}",
        _judge(difference.seeds, confirmed=difference.low > -MARGIN),
    )


def _against_gcn(graphs: Sequence[GraphSummary], method: Method) -> Paired:
    return paired_difference(
        _by_graph([graph.accuracy(method).mean for graph in graphs]),
        _by_graph([graph.accuracy("gcn").mean for graph in graphs]),
    )


def _faster(summary: DynamicsSummary) -> Claim:
    ratios = [graph.seconds("gcn") / graph.seconds("rp") for graph in summary.graphs if graph.runs]
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    middle = median(known) if known else np.nan
    said = (
        f"median {two_digits(middle)} times, from {span(min(known), max(known), two_digits)}"
        if known
        else "no graph has both"
    )
    return Claim(
        "Residual propagation is orders of magnitude faster.",
        f"seconds of the GCN over those of RP, one fit each: median over graphs of at least {ORDERS:g}",
        said,
        _judge(len(known), confirmed=middle >= ORDERS),
    )


def _judge(graphs: int, *, confirmed: bool) -> Outcome:
    if graphs < FEWEST:
        return "not testable here"
    return "confirmed" if confirmed else "not confirmed"


def _by_graph(values: Sequence[float]) -> Mapping[int, float]:
    return dict(enumerate(values))


def _paired(difference: Paired) -> str:
    if not difference.seeds:
        return "no graph"
    graphs = count(difference.seeds, "graph")
    if difference.seeds == 1:
        return f"{signed_two_digits(difference.mean)} ({graphs}, so no interval)"
    ends = span(difference.low, difference.high, signed)
    return f"{signed_two_digits(difference.mean)} ({ends}, {graphs})"


def _correlation(found: RankCorrelation) -> str:
    if found.reason:
        return found.reason
    ends = span(found.low, found.high, signed_two_digits)
    return f"rank correlation {signed_two_digits(found.value)} ({ends}, {count(found.graphs, 'graph')})"
