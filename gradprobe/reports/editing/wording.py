"""The sentences of an editing report."""

from __future__ import annotations

from gradprobe.records.editing import NAMES
from gradprobe.reports.editing.summary import BASELINES, EditSummary, MethodSummary
from gradprobe.reports.kit.numbers import number, ranged, signed, span
from gradprobe.reports.kit.words import count, join
from gradprobe.reports.statistics.paired import Paired


def headline(summary: EditSummary) -> str:
    """What edits of the first model cost in test accuracy under each method."""
    if not summary.methods:
        return "No cell has finished."
    first = summary.methods[0]
    methods = summary.of(first.model, first.protocol)
    costs = join([f"{_lost(found)} under {NAMES[found.method]}" for found in methods])
    return f"{NAMES[first.model]}, {first.protocol} edits: mean test accuracy lost is {costs}."


def points(summary: EditSummary) -> tuple[str, ...]:
    """What qualifies it: differences with their intervals, success, and the cells that are missing."""
    saved = [
        (found, found.saved)
        for found in summary.methods
        if found.saved is not None and found.saved.test.seeds > 1
    ]
    said = [_saved(found, parts.test) for found, parts in saved if parts.test.excludes_zero]
    if saved:
        said += [_tally("Test accuracy", [parts.test for _, parts in saved])]
        said += [_tally("Training loss", [parts.loss for _, parts in saved])]
    short = [found for found in summary.methods if found.success.seeds and found.success.mean < 1.0]
    if short:
        failed = join(
            [
                f"{NAMES[found.method]} on {NAMES[found.model]} ({found.protocol}) {ranged(found.success)}"
                for found in short
            ]
        )
        said.append(f"Share of targets put right within the step limit, where below 1: {failed}.")
    if summary.failures:
        said.append(f"{count(len(summary.failures), 'cell')} did not finish; the last table says why.")
    return tuple(said)


def _lost(found: MethodSummary) -> str:
    return number(found.test_lost.mean)


def _saved(found: MethodSummary, saved: Paired) -> str:
    verb = "saves" if saved.mean > 0 else "costs"
    name = f"{NAMES[found.model]}, {found.protocol}: {NAMES[found.method]}"
    against = NAMES[BASELINES[found.method]]
    ends = span(saved.low, saved.high, signed)
    return f"{name} {verb} {number(abs(saved.mean))} of test accuracy against {against} ({ends})."


def _tally(what: str, differences: list[Paired]) -> str:
    better, worse = sum(d.low > 0.0 for d in differences), sum(d.high < 0.0 for d in differences)
    return (
        f"{what} against each method's baseline: better {better}, worse {worse}, not distinguishable "
        f"from zero {len(differences) - better - worse} times; each 95% interval stands for itself."
    )
