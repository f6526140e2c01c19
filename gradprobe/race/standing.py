"""How a race stands after the pairs made so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.race.differences import Interval, paired_interval
from gradprobe.race.plan import Plan

# An action is not promising when the upper end of its uncorrected interval at this level is below the margin.
FUTILITY = 0.2


class Status(StrEnum):
    """How an action stands to averaging; all but `RUNNING` are final."""

    RUNNING = "running"
    AHEAD = "ahead"
    EQUIVALENT = "equivalent"
    BEHIND = "behind"
    GIVEN_UP = "given up"
    FAILED = "failed"


class Outcome(StrEnum):
    """What a race has come to."""

    RUNNING = "running"
    AHEAD = "one action is ahead"
    AVERAGING = "no action beats averaging by the margin"
    OPEN = "not settled"


@dataclass(frozen=True)
class Entry:
    """One action: its status, since which look (from 0), and its interval at the last look it ran to."""

    action: str
    status: Status
    look: int
    interval: Interval


@dataclass(frozen=True)
class Standing:
    """A race after `looks` looks. `wanted` are the pairs each action lacks until the next look.

    `leader` is the action ahead. `pairs` is how many it was chosen by: later pairs are fresh.
    """

    outcome: Outcome
    entries: tuple[Entry, ...]
    looks: int
    pairs: int
    leader: str | None
    wanted: Mapping[str, int]

    @property
    def settled(self) -> bool:
        """Whether the question is answered: an action is ahead, or none beats averaging by the margin."""
        return self.outcome in (Outcome.AHEAD, Outcome.AVERAGING)


def standing(plan: Plan, differences: Mapping[str, Sequence[float] | FloatArray]) -> Standing:
    """Where a race stands, replayed look by look from each action's paired differences.

    A difference is positive where the action is better; NaN where a training of the pair failed. At every
    look that all running actions have reached, an action is

    - ahead: its interval lies above zero, and its mean is at least the margin;
    - equivalent: its interval lies within the margin on both sides;
    - behind: its interval lies below the margin, so that it is not worth having;
    - given up: not promising by an uncorrected interval, and too noisy to be shown behind or equivalent by
      the last look. That claims nothing, so it costs no level;
    - failed: half of its pairs or more have no score.

    The race stops at the first look with an action ahead (the largest mean, where there are several), or
    when none is running. Intervals are two-sided, so all that is claimed holds together with a probability
    of one less the plan's level, for differences that are about normal.

    Raises:
        InputError: differences of an action that did not enter.
    """
    strange = sorted(set(differences) - set(plan.actions))
    if strange:
        raise InputError(f"differences: expected actions among {list(plan.actions)}, got {strange}")
    values = {a: np.asarray(differences.get(a, ()), dtype=np.float64) for a in plan.actions}
    none = Interval(np.nan, np.nan, np.nan, 0)
    entries = {action: Entry(action, Status.RUNNING, -1, none) for action in plan.actions}
    for look, pairs in enumerate(plan.looks):
        running = [action for action, entry in entries.items() if entry.status is Status.RUNNING]
        if not running:
            break
        wanted = {a: pairs - len(values[a]) for a in running if len(values[a]) < pairs}
        if wanted:
            return _standing(Outcome.RUNNING, entries, look, plan.looks[look - 1] if look else 0, wanted)
        for action in running:
            entries[action] = _judge(plan, action, look, values[action][:pairs])
        ahead = [entry for entry in entries.values() if entry.status is Status.AHEAD]
        if ahead:
            leader = max(ahead, key=lambda entry: entry.interval.mean).action
            return replace(_standing(Outcome.AHEAD, entries, look + 1, pairs, {}), leader=leader)
    done = {entry.status for entry in entries.values()} <= {Status.EQUIVALENT, Status.BEHIND}
    last = max(entry.look for entry in entries.values())
    return _standing(Outcome.AVERAGING if done else Outcome.OPEN, entries, last + 1, plan.looks[last], {})


def _judge(plan: Plan, action: str, look: int, differences: FloatArray) -> Entry:
    interval = paired_interval(differences, plan.level_at(look))
    if 2 * interval.pairs <= differences.size:
        status = Status.FAILED
    elif interval.low > 0.0 and interval.mean >= plan.margin:
        status = Status.AHEAD
    elif interval.high < plan.margin:
        status = Status.EQUIVALENT if interval.low > -plan.margin else Status.BEHIND
    else:
        hopeless = _is_hopeless(plan, differences)
        status = Status.GIVEN_UP if hopeless else Status.RUNNING
    return Entry(action, status, look, interval)


def _is_hopeless(plan: Plan, differences: FloatArray) -> bool:
    """Whether an action is not promising, and the last look's interval would still reach the margin."""
    from scipy.special import stdtrit  # slow to import

    promise = paired_interval(differences, FUTILITY)
    pairs = plan.looks[-1]
    error = float(np.nanstd(differences, ddof=1)) / np.sqrt(pairs)
    last = float(stdtrit(pairs - 1, 1.0 - plan.level_at(len(plan.looks) - 1) / 2.0)) * error
    return bool(promise.high < plan.margin <= promise.mean + last)


def _standing(
    outcome: Outcome, entries: Mapping[str, Entry], looks: int, pairs: int, wanted: Mapping[str, int]
) -> Standing:
    return Standing(outcome, tuple(entries.values()), looks, pairs, None, wanted)
