"""What a depth study found, in sentences."""

from __future__ import annotations

from collections import Counter

from gradprobe.records.depth import Finding, Signal, course
from gradprobe.reports.depth.claim import SimilarityComparison
from gradprobe.reports.depth.summary import DEEP, DepthSummary
from gradprobe.reports.kit.numbers import difference, number, ranged
from gradprobe.reports.kit.words import capital, count, join


def headline(summary: DepthSummary) -> str:
    """Accuracy of the last architecture at the deepest and at its best depth."""
    if not summary.cells:
        return "No run has finished."
    variant = summary.variants[-1]
    own = [cell for cell in summary.cells if cell.variant == variant]
    deepest, best = max(own, key=lambda c: c.layers), max(own, key=lambda c: c.test.mean)
    known = [(v, cell) for v in summary.variants if (cell := summary.cell(v, deepest.layers)) is not None]
    said = join([f"{ranged(cell.test)} for {name}" for name, cell in known])
    return (
        f"At {deepest.layers} layers, test accuracy is {said} networks; {variant} networks are at their "
        f"best with {best.layers} layers, at {ranged(best.test)}."
    )


def points(summary: DepthSummary) -> tuple[str, ...]:
    """What qualifies the headline: gain, diagnoses, claim, limits."""
    found = [_gain(summary)]
    found += [_deep(summary, variant) for variant in summary.variants]
    if summary.comparisons:
        found.append(claim(summary.comparisons[0]))
    found.append(_class(summary))
    if summary.failures:
        found.append(f"{count(len(summary.failures), 'run')} failed; see The runs.")
    return tuple(point for point in found if point)


def claim(comparison: SimilarityComparison) -> str:
    """Whether gradient similarity predicted test accuracy better, in a sentence."""
    if comparison.reason:
        return f"Which similarity predicts accuracy better cannot be tested here: {comparison.reason}."
    gradient, other = comparison.gradient.value, comparison.representation.value
    advantage = comparison.advantage
    numbers = (
        f"rank correlation with test accuracy {number(gradient, signed=True)} against "
        f"{number(other, signed=True)}, difference in size {number(advantage.value, signed=True)} "
        f"({number(advantage.low, signed=True)} to {number(advantage.high, signed=True)})"
    )
    if not advantage.excludes_zero:
        return f"Neither similarity predicts test accuracy better than the other: {numbers}."
    better = "Gradient" if advantage.value > 0 else "Representation"
    return f"{better} similarity predicts test accuracy better: {numbers}."


def _gain(summary: DepthSummary) -> str:
    if not summary.gains:
        return ""
    layers = max(summary.gains)
    return f"Normalisation changes test accuracy at {layers} layers by {difference(summary.gains[layers])}."


def _deep(summary: DepthSummary, variant: str) -> str:
    runs = [r for c in summary.cells if c.variant == variant and c.layers >= DEEP for r in c.runs]
    if not runs:
        return ""
    signals: tuple[Signal, ...] = ("gradient", "representation")
    said = [
        f"{signal}s {_most([course(run, signal).findings[0] for run in runs])} when training starts, "
        f"{_most([course(run, signal).findings[-1] for run in runs])} when it ends"
        for signal in signals
    ]
    which = f"{capital(variant)} networks of {DEEP} layers or more, {count(len(runs), 'run')}"
    return f"{which}: {'; '.join(said)}."


def _most(findings: list[Finding]) -> str:
    """The findings with how often they came, the most frequent first."""
    named = Counter("sound" if finding == "none" else finding for finding in findings)
    return " and ".join(f"{name} in {amount}" for name, amount in named.most_common())


def _class(summary: DepthSummary) -> str:
    share = summary.graph.largest_class
    poor = [c for c in summary.cells if c.test.mean <= share]
    if not poor:
        return ""
    return (
        f"In {len(poor)} of {count(len(summary.cells), 'cell')}, accuracy does not beat always naming the "
        f"largest class ({number(share)} of the labelled nodes)."
    )
