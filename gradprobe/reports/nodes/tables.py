"""The tables of the report of node methods."""

from __future__ import annotations

from gradprobe.geometry.graph import FEATURES
from gradprobe.reports.kit.document import Table, facts
from gradprobe.reports.kit.numbers import ABSENT, cell, decimal, number, percent, two_digits, with_span
from gradprobe.reports.kit.words import count
from gradprobe.reports.nodes.summary import BASE, SCORES, NodesSummary, RunSummary, Snapshot
from gradprobe.reports.statistics.seeds import OverSeeds

_ROLES = {2.0: "hub", 1.5: "bridge", 1.0: "follower", 0.5: "outlier"}


def scores(summary: NodesSummary) -> Table:
    """Test scores of every model and method."""
    return Table(
        title="Scores on the test nodes",
        columns=("method", *SCORES.values(), "validation accuracy"),
        rows=tuple(
            (
                _name(summary, run),
                *(cell(run.test[name], _score) for name in SCORES),
                cell(run.validation["accuracy"], _score),
            )
            for run in summary.runs
        ),
        note=f"Mean over {_seeds(summary)}, lowest and highest below. Between 0 and 1; higher is better.",
    )


def differences(summary: NodesSummary) -> Table:
    """Differences of the test scores from the base's, with their intervals."""
    return Table(
        title="Test scores minus the base's",
        columns=("method", "seeds", *SCORES.values()),
        rows=tuple(
            (
                _name(summary, run),
                str(run.differences["accuracy"].seeds),
                *(cell(run.differences[name], _score_difference) for name in SCORES),
            )
            for run in summary.runs
            if run.method != BASE and run.differences["accuracy"].seeds
        ),
        note="Mean of the differences paired by seed, with their 95% t interval below.",
    )


def costs(summary: NodesSummary) -> Table:
    """Time and memory beside the base: the paper's Table 7."""
    return Table(
        title="Cost",
        columns=("method", "ms an update", "times base", "peak MiB", "epochs with reasoning"),
        rows=tuple(
            (
                _name(summary, run),
                _cost_cell(run.seconds, 1000.0),
                _cost_cell(run.slowdown),
                _cost_cell(run.memory),
                percent(run.open_share.mean) if run.method != BASE else ABSENT,
            )
            for run in summary.runs
        ),
        note="Processor time of an update: the median over epochs, then the mean over seeds, lowest and "
        "highest below. Peak MiB: tensors alive at the peak of one update.",
    )


def conditions(summary: NodesSummary) -> Table:
    """What was run on what; the last, folded table."""
    graph = summary.graph
    rows = [
        ("nodes, edges", f"{graph.nodes:,}, {graph.edges:,} (undirected, each once)"),
        ("features, classes", f"{graph.features:,}, {graph.classes}"),
        ("homophily", f"{number(graph.homophily)} of the edges join one class"),
        *((f"nodes for {name}", f"{nodes:,}") for name, nodes in graph.parts.items()),
        ("splits", str(graph.splits)),
        ("epochs", f"{summary.epochs}"),
        ("random starts a run", f"{summary.candidates}, the same for every method"),
        *(("treatment", note) for note in graph.notes),
        *summary.options,
        *((f"failed: {name}", reason) for name, reason in summary.failed.items()),
    ]
    return facts("Data, options and failures", tuple(rows), folded=True)


def features(snapshot: Snapshot) -> Table:
    """The gradient features of the most conflicted nodes."""
    return Table(
        title="Gradient features of the most conflicted nodes",
        columns=("node", "class", "probability", *FEATURES),
        rows=tuple(
            (
                str(snapshot.nodes[at]),
                str(snapshot.predicted[at]),
                two_digits(float(snapshot.probability[at])),
                *map(_feature_cell, FEATURES, snapshot.features[at].tolist()),
            )
            for at in snapshot.most_conflicted
        ),
        note="The predicted class and its probability. Conflict in squared gradient norm; stability a mean "
        "cosine; influence in gradient norm; "
        "confidence a negative cosine; receptiveness without a unit.",
    )


def _name(summary: NodesSummary, run: RunSummary) -> str:
    """A run's method, and its model where there are several; one column, for narrow screens."""
    return run.method if len(summary.models) == 1 else f"{run.model} {run.method}"


def _seeds(summary: NodesSummary) -> str:
    """How many seeds the runs have, where they differ from the fewest to the most."""
    low, high = (end((run.seeds for run in summary.runs), default=0) for end in (min, max))
    return count(high, "seed") if low == high else f"{low} to {high} seeds"


def _feature_cell(name: str, value: float) -> str:
    return _ROLES.get(value, number(value)) if name == "role" else number(value)


def _score(value: float) -> str:
    return decimal(value, 3)


def _score_difference(value: float) -> str:
    return decimal(value, 3, signed=True)


def _cost_cell(found: OverSeeds, factor: float = 1.0) -> str:
    """A mean with its range, where seeds differ; a dash where nothing was measured."""
    if not found.seeds:
        return ABSENT
    mean, low, high = (factor * value for value in (found.mean, found.low, found.high))
    return number(mean) if low == high else with_span(mean, low, high, below=True)
