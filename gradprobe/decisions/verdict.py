"""From a course that is over to the decision: training outranks prediction, and what failed is counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradprobe.decisions import wording
from gradprobe.decisions.course import AVERAGE, Course, improvements
from gradprobe.decisions.ledger import Ledger
from gradprobe.decisions.rules import Rules
from gradprobe.race import Confirmation, Entry, Interval, Outcome, Status, paired_interval
from gradprobe.records.decision import (
    ActionLine,
    Claim,
    Cost,
    Decision,
    NextRuns,
    OuterPart,
    Predicted,
    Range,
)

# Beyond so many pairs, a race is no remedy.
MOST_PAIRS = 200


@dataclass(frozen=True)
class About:
    """What a decision is about, for its record: names, and what was predicted of each action.

    `idle` are actions that were not trained, as they cannot change anything.
    """

    score: str = "the score"
    focal: str = ""
    encoder: str = ""
    predicted: Mapping[str, Predicted] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def decided(
    actions: Sequence[str],
    found: Course,
    rules: Rules,
    ledger: Ledger,
    *,
    outer: Confirmation | None = None,
    about: About | None = None,
) -> Decision:
    """The decision that a course which is over comes to.

    Of the action ahead, the effect is that on seeds trained after it was chosen; where they, or the rows set
    aside, are on averaging's side, it is not confirmed and averaging stays.
    """
    about = about or About()
    following = _next_runs(found, rules, ledger, actions)
    claim = _claim(actions, found, outer)
    leader = found.leader or AVERAGE
    effect = found.effect
    sentences: dict[str, Callable[[], str]] = {
        "ahead": lambda: wording.ahead(leader, about.score, _known(effect), outer, rules),
        "not confirmed": lambda: wording.not_confirmed(leader, _known(effect), outer, rules),
        "averaging": lambda: wording.averaging(found, rules),
        "cannot matter": wording.cannot_matter,
        "not settled": lambda: wording.not_settled([each.text for each in following]),
    }
    settled = claim != "not settled"
    pilots = sum(run.share for run in ledger.runs if run.share < 1.0)
    return Decision(
        claim=claim,
        recommended=leader if claim == "ahead" else AVERAGE,
        sentence=sentences[claim](),
        focal=about.focal,
        encoder=about.encoder,
        score=about.score,
        higher_is_better=rules.higher_is_better,
        unit="relative" if rules.relative else "score",
        margin=rules.margin,
        level=rules.level,
        looks=rules.looks,
        actions=_lines(actions, found, rules, ledger, about),
        effect=None if effect is None else as_range(effect),
        outer=None if outer is None else OuterPart(**vars(outer)),
        cost=Cost(
            trainings=rules.before + ledger.trainings,
            seconds=ledger.seconds,
            probes=rules.before,
            pilots=pilots,
            failed=len(ledger.problems()),
        ),
        next_runs=() if settled else following,
        problems=ledger.problems(),
        notes=about.notes,
    )


def as_range(interval: Interval) -> Range:
    """An interval as it is stored: what is not finite is None."""
    mean, low, high = (
        value if math.isfinite(value) else None for value in (interval.mean, interval.low, interval.high)
    )
    return Range(mean=mean, low=low, high=high, pairs=interval.pairs)


def _claim(actions: Sequence[str], found: Course, outer: Confirmation | None) -> Claim:
    if not actions:
        return "cannot matter"
    if found.standing is None or not found.standing.settled:
        return "not settled"
    if found.standing.outcome is Outcome.AVERAGING:
        return "averaging"
    if found.lacking or found.effect is None or math.isnan(found.effect.low):
        return "not settled"
    if not found.effect.mean > 0.0 or (outer is not None and not outer.difference > 0.0):
        return "not confirmed"
    return "ahead"


def _lines(
    actions: Sequence[str], found: Course, rules: Rules, ledger: Ledger, about: About
) -> tuple[ActionLine, ...]:
    entries = {entry.action: entry for entry in found.standing.entries} if found.standing else {}
    return tuple(
        _line(name, entries.get(name), rules, ledger, about, idle=name in about.idle)
        for name in (*actions, *about.idle)
    )


def _line(
    name: str, entry: Entry | None, rules: Rules, ledger: Ledger, about: About, *, idle: bool
) -> ActionLine:
    predicted = about.predicted.get(name)
    trained = None if entry is None or not entry.interval.pairs else entry.interval
    if trained is None and entry is not None:
        # The race ended before its first look; what there is has no claim to make.
        early = paired_interval(improvements(name, rules, ledger.scores), rules.level)
        trained = early if early.pairs else None
    status = "cannot matter" if idle else "not entered" if entry is None else str(entry.status)
    return ActionLine(
        action=name,
        status=status,
        predicted=predicted,
        trained=None if trained is None else as_range(trained),
        refuted=_refuted(predicted, trained),
        seconds=ledger.seconds_of(name),
        relative_cost=ledger.relative_cost(name),
        rests_on=_rests_on(predicted, trained, idle=idle),
    )


def _refuted(predicted: Predicted | None, trained: Interval | None) -> bool:
    if predicted is None or predicted.effect is None or trained is None:
        return False
    return (predicted.effect > 0.0 and trained.high < 0.0) or (predicted.effect < 0.0 and trained.low > 0.0)


def _rests_on(predicted: Predicted | None, trained: Interval | None, *, idle: bool) -> str:
    if idle:
        return "its updates, which are averaging's"
    if trained is not None:
        return f"{trained.pairs} paired trainings"
    if predicted is not None and predicted.effect is not None:
        return f"gradients of {predicted.runs} averaging run{'' if predicted.runs == 1 else 's'}"
    return "nothing yet"


def _next_runs(found: Course, rules: Rules, ledger: Ledger, actions: Sequence[str]) -> tuple[NextRuns, ...]:
    """What may settle an open question, the cheapest first."""
    if found.standing is None or not ledger.runs:
        if not actions:
            return ()
        pairs = rules.looks[0]
        cost = 2.0 * (pairs + rules.judges)
        return (_next(actions[0], pairs, cost, ledger, f"{pairs} pairs of averaging and {actions[0]}, "),)
    if found.leader is not None:
        text = f"the {rules.judges} pairs that judge {found.leader}, "
        return (_next(found.leader, rules.judges, max(found.lacking, 1.0), ledger, text),)
    nexts: list[tuple[bool, NextRuns]] = []
    level = rules.plan(found.entered).level_at(len(rules.looks) - 1)
    for entry in found.standing.entries:
        # The next look at least, where the budget ended before it.
        lacking = _pairs_lacking(entry, rules, ledger, level) or found.standing.wanted.get(entry.action, 0)
        if lacking:
            text = f"{lacking} more pairs of averaging and {entry.action}, "
            each = _next(entry.action, lacking, 2.0 * lacking, ledger, text)
            nexts.append((entry.status is Status.GIVEN_UP, each))
    # What was given up as not promising comes last, however cheap.
    return tuple(each for _, each in sorted(nexts, key=lambda pair: (pair[0], pair[1].trainings)))


def _pairs_lacking(entry: Entry, rules: Rules, ledger: Ledger, level: float) -> int:
    """Pairs beyond those made after which the action would be settled if mean and spread stay; 0: none is."""
    from scipy.special import stdtrit  # slow to import

    values = np.array(improvements(entry.action, rules, ledger.scores))
    values = values[~np.isnan(values)]
    made = len(values)
    if entry.status in (Status.EQUIVALENT, Status.BEHIND):
        return 0
    if made < 2:
        return rules.looks[0] - made
    spread, mean = float(values.std(ddof=1)), float(values.mean())
    reach = mean if mean >= rules.margin else rules.margin - mean
    for pairs in range(made + 1, MOST_PAIRS + 1):
        if float(stdtrit(pairs - 1, 1.0 - level / 2.0)) * spread / math.sqrt(pairs) < reach:
            return pairs - made
    return 0


def _next(action: str, pairs: int, trainings: float, ledger: Ledger, text: str) -> NextRuns:
    each = ledger.seconds / ledger.trainings if ledger.trainings else None
    seconds = None if each is None else each * trainings
    about = "" if seconds is None else f", about {duration(seconds)}"
    full = f"{text}{trainings:g} trainings{about}"
    return NextRuns(action=action, pairs=pairs, trainings=trainings, seconds=seconds, text=full)


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(5400.0)
    '1.5 h'
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"


def _known(effect: Interval | None) -> Interval:
    assert effect is not None
    return effect
