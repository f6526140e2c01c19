"""The finding in a sentence, as far as the paired intervals carry it, and what qualifies it."""

from __future__ import annotations

from gradprobe.reports.kit.numbers import decimal, span, two_digits
from gradprobe.reports.kit.words import count, join
from gradprobe.reports.nodes.summary import BASE, NodesSummary, RunSummary
from gradprobe.reports.statistics.paired import Paired


def headline(summary: NodesSummary) -> str:
    """Whether the methods' test accuracy differs from the base's, model by model.

    "Higher" and "lower" are said only where the 95 % interval of the paired difference excludes zero.
    """
    said = [sentence for model in summary.models if (sentence := _sentence(summary, model))]
    return " ".join(said) or (
        "Nothing is compared: a comparison takes the base method and another one, over the same seeds."
    )


def points(summary: NodesSummary) -> tuple[str, ...]:
    """What a reader should know before repeating the headline."""
    said = []
    compared = [run for run in summary.runs if run.method != BASE and run.differences["accuracy"].seeds]
    seeds = {run.differences["accuracy"].seeds for run in compared}
    if any(found > 1 for found in seeds):
        said.append(
            f"Intervals are 95% t intervals of differences paired by seed, over {_range(seeds)}; each holds "
            "for itself: among many comparisons, about one in twenty excludes zero by chance alone."
        )
    if any(found > 1 for found in seeds):
        said.append(_what_seeds_vary(summary.graph.splits))
    tested = summary.graph.parts.get("test", 0)
    if tested:
        said.append(
            f"There are {tested:,} test nodes: one of them moves an accuracy by "
            f"{two_digits(100.0 / tested)} points."
        )
    never = [f"{run.method} on {run.model}" for run in summary.runs if _never_open(run)]
    if never:
        said.append(
            f"The reasoning of {join(never)} was never on: there, nothing but the name differs from base."
        )
    said += [
        f"In {run.untouched} of {count(run.seeds, 'seed')}, {_name(run)} had not acted yet in the epoch that "
        "is scored, the one with the best validation accuracy."
        for run in compared
        if run.untouched and not run.is_variant and not _never_open(run)
    ]
    cost = [run for run in compared if not run.is_variant and run.slowdown.seeds]
    if cost:
        said.append(
            "An update takes, in processor time, "
            + join([f"{two_digits(run.slowdown.mean)} times the base's with {_name(run)}" for run in cost])
            + "."
        )
    if summary.failed:
        said.append(f"{count(len(summary.failed), 'run')} failed; the reasons are at the end.")
    return tuple(said)


def title(summary: NodesSummary) -> str:
    """What the report is about."""
    return f"Gradients on {summary.graph.name}"


def subtitle(summary: NodesSummary) -> str:
    """The size of what was run."""
    graph = summary.graph
    finished = sum(run.seeds for run in summary.runs)
    return " · ".join(
        [
            f"{graph.nodes:,} nodes, {graph.edges:,} edges, {graph.classes} classes",
            f"homophily {two_digits(graph.homophily)}",
            join(summary.models),
            f"{finished} of {count(summary.cells, 'run')} finished",
            count(summary.epochs, "epoch"),
        ]
    )


def _sentence(summary: NodesSummary, model: str) -> str:
    runs = [run for run in summary.main(model) if run.method != BASE and run.differences["accuracy"].seeds]
    if not runs:
        return ""
    parts = [f"{run.method}'s test accuracy {_finding(run.differences['accuracy'])}" for run in runs]
    return f"On {summary.graph.name} with {model}, {join(parts)}."


def _finding(found: Paired) -> str:
    if found.seeds < 2:
        return f"is {_by(found.mean)} in one seed, from which nothing follows"
    if found.low == found.high == 0.0:
        return "is the base's in every seed"
    reach = span(found.low, found.high, _points)
    if found.excludes_zero:
        return f"is {_by(found.mean)} (95% interval {reach})"
    return f"cannot be told from the base's ({_points(found.mean)} points, 95% interval {reach})"


def _by(difference: float) -> str:
    if difference == 0.0:
        return "equal to the base's"
    side = "higher" if difference > 0.0 else "lower"
    return f"{_points(abs(difference)).lstrip('+')} points {side} than the base's"


def _what_seeds_vary(splits: int) -> str:
    if splits > 1:
        return f"Seeds differ in initialisation, dropout and the split, of which the graph has {splits}."
    return (
        "Seeds differ in initialisation and dropout. The split is the same in all: the intervals say nothing "
        "about other training or test nodes."
    )


def _points(difference: float) -> str:
    """A difference of accuracies in percentage points, with one decimal."""
    return decimal(100.0 * difference, 1, signed=True)


def _never_open(run: RunSummary) -> bool:
    return run.method != BASE and run.open_share.seeds > 0 and run.open_share.high == 0.0


def _name(run: RunSummary) -> str:
    return f"{run.method} on {run.model}"


def _range(seeds: set[int]) -> str:
    low, high = min(seeds), max(seeds)
    return count(high, "seed") if low == high else f"{low} to {high} seeds"
