"""The sentence that a decision comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradprobe.decisions.course import Course
from gradprobe.decisions.rules import Rules
from gradprobe.race import Confirmation, Interval


def amount(value: float, rules: Rules) -> str:
    """An improvement with its sign: in per cent of averaging's score, or in units of the score.

    >>> amount(0.0213, Rules(higher_is_better=False))
    '+2.1 %'
    """
    if math.isnan(value):
        return "undefined"
    number = f"{100.0 * value:+.2g} %" if rules.relative else f"{value:+.2g}"
    return number.replace("-", "−")


def ends(interval: Interval | Confirmation, rules: Rules) -> str:
    """The ends of an interval."""
    return f"{amount(interval.low, rules)} to {amount(interval.high, rules)}"


def ahead(action: str, score: str, effect: Interval, outer: Confirmation | None, rules: Rules) -> str:
    """The recommendation of a change."""
    mean = amount(effect.mean, rules)
    fresh = f"{mean}, {ends(effect, rules)}, on {effect.pairs} seeds that had no part in the choice"
    text = f"Use {action} instead of averaging: it improves {score} ({fresh})"
    if outer is None:
        return f"{text}."
    own = f"{amount(outer.difference, rules)}, {ends(outer, rules)}, {outer.parents} parent compounds"
    word = "confirm it" if outer.confirmed else "agree, but are too few to confirm it alone"
    return f"{text}; the rows set aside {word} ({own})."


def not_confirmed(action: str, effect: Interval, outer: Confirmation | None, rules: Rules) -> str:
    """The race had a winner, and rows or seeds that had not chosen it disagree."""
    if outer is not None and not outer.difference > 0.0:
        why = f"the rows set aside disagree ({amount(outer.difference, rules)}, {ends(outer, rules)})"
    else:
        why = f"fresh seeds disagree ({amount(effect.mean, rules)} on {effect.pairs})"
    return f"Keep averaging: {action} was ahead in the race, but {why}, so it is not confirmed."


def averaging(found: Course, rules: Rules) -> str:
    """Nothing tried beats averaging by the margin."""
    margin = amount(rules.margin, rules).lstrip("+")
    pairs = max(entry.interval.pairs for entry in found.standing.entries) if found.standing else 0
    tried = _list(found.entered)
    return (
        f"Keep averaging: no action tried beats it by {margin} ({tried}; up to {pairs} pairs of trainings)."
    )


def cannot_matter() -> str:
    """Every action makes averaging's update."""
    return (
        "Stop here: no action can matter, since the tasks' updates do not meet on shared parameters; "
        "keep averaging."
    )


def not_settled(next_runs: Sequence[str]) -> str:
    """The question is open; what would answer it."""
    if not next_runs:
        return (
            "Not settled, and hard to settle: keep averaging. What is open lies so near the margin, or "
            "failed so often, that more trainings are no remedy."
        )
    return f"Not settled: keep averaging until then. The cheapest next runs: {next_runs[0]}."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
