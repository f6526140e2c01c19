"""The sentences of an editing report."""

from __future__ import annotations

from gradprobe.reports.averages import over_seeds
from gradprobe.reports.editing.records import NAMES
from gradprobe.reports.editing.summary import BASELINES, EditSummary, MethodSummary
from gradprobe.reports.paired import Paired
from gradprobe.reports.wording import count, interval, join, number, spread


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
    compared = [
        (found, what, difference)
        for found in summary.methods
        if found.saved is not None
        for what, difference in (("test accuracy", found.saved.test), ("training loss", found.saved.loss))
        if difference.seeds > 1
    ]
    said = [_saved(*each) for each in compared if each[2].excludes_zero]
    even = len(compared) - len(said)
    if compared:
        said.append(
            f"{even} of {count(len(compared), 'comparison')} with a method's baseline cannot be told from "
            "zero: a 95% interval each, so about one in twenty is off by chance."
        )
    short = [found for found in summary.methods if found.success.seeds and found.success.mean < 1.0]
    if short:
        failed = join(
            [
                f"{NAMES[found.method]} on {NAMES[found.model]} ({found.protocol}) {spread(found.success)}"
                for found in short
            ]
        )
        said.append(f"Share of targets put right within the step limit, where below 1: {failed}.")
    if summary.failures:
        said.append(f"{count(len(summary.failures), 'cell')} did not finish; the last table says why.")
    return tuple(said)


def _lost(found: MethodSummary) -> str:
    return number(over_seeds([drawdown.mean for drawdown in found.test]).mean)


def _saved(found: MethodSummary, what: str, saved: Paired) -> str:
    verb = "saves" if saved.mean > 0 else "costs"
    name = f"{NAMES[found.model]}, {found.protocol}: {NAMES[found.method]}"
    against = NAMES[BASELINES[found.method]]
    return f"{name} {verb} {number(abs(saved.mean))} of {what} against {against} ({interval(saved)})."
