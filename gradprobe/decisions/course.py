"""How far a decision has come, replayed from the scores so far: which trainings it wants next, and why.

The same scores give the same course, so an interrupted decision is resumed by replaying it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gradprobe.decisions.rules import Rules
from gradprobe.race import Interval, Outcome, Standing, fresh_mean, standing

AVERAGE = "average"
Stage = Literal["pilots", "race", "judges", "over"]


@dataclass(frozen=True)
class Run:
    """One training: an action by name, a seed, and the part of a full training, 1 but for pilots."""

    action: str
    seed: int
    share: float = 1.0


@dataclass(frozen=True)
class Course:
    """Where a decision stands.

    `wanted` are the trainings to do next, averaging first; none where it is over. `entered` are the actions
    in the race. `effect` is the leader's, from pairs trained after it was chosen. `lacking` is how many
    trainings more than allowed the next step would take; 0 where nothing was left undone.
    """

    stage: Stage
    wanted: tuple[Run, ...] = ()
    entered: tuple[str, ...] = ()
    standing: Standing | None = None
    effect: Interval | None = None
    lacking: float = 0.0

    @property
    def leader(self) -> str | None:
        """The action that is ahead."""
        return None if self.standing is None else self.standing.leader


def course(
    actions: Sequence[str],
    rules: Rules,
    scores: Mapping[Run, float],
    *,
    stop: bool = False,
    entered: Sequence[str] = (),
) -> Course:
    """The course of a decision about these actions, in the order in which they should enter.

    A score is NaN where a training failed. `stop`: train nothing more, as the time is up. `entered` are those
    that entered when an earlier call, perhaps with another budget, began the race: it stays their race.
    """
    field = tuple(entered) or _entered(actions, rules, scores)
    if isinstance(field, Course):
        return Course("over", lacking=_cost(field.wanted)) if stop and field.wanted else field
    pairs = {action: improvements(action, rules, scores) for action in field}
    found = standing(rules.plan(field), pairs)
    if found.leader is not None:
        wanted = _runs([found.leader], _judging_seeds(rules, found), scores)
        effect = fresh_mean(pairs[found.leader][: found.pairs + rules.judges], found.pairs)
        if wanted and not stop:
            return Course("judges", wanted, field, found, effect)
        return Course("over", (), field, found, effect, lacking=_cost(wanted))
    wanted = _next_look(rules, found, pairs, scores)
    if not wanted:
        return Course("over", (), field, found)
    over = _cost([*scores, *wanted]) + 2.0 * rules.judges
    if stop or not rules.affordable(over):
        return Course("over", (), field, found, lacking=_lacking(rules, over) if not stop else _cost(wanted))
    return Course("race", wanted, field, found)


def improvements(action: str, rules: Rules, scores: Mapping[Run, float]) -> list[float]:
    """The action's paired differences seed by seed, up to the first pair that is not complete."""
    found: list[float] = []
    while True:
        seed = _race_seed(rules) + len(found)
        own, other = scores.get(Run(action, seed)), scores.get(Run(AVERAGE, seed))
        if own is None or other is None:
            return found
        found.append(rules.improvement(own, other))


def shared_seeds(action: str, rules: Rules, scores: Mapping[Run, float]) -> tuple[int, ...]:
    """The seeds with a score of both the action and averaging."""
    pairs = improvements(action, rules, scores)
    return tuple(_race_seed(rules) + k for k, each in enumerate(pairs) if not math.isnan(each))


def _entered(actions: Sequence[str], rules: Rules, scores: Mapping[Run, float]) -> tuple[str, ...] | Course:
    """The actions that enter the race, or the course that leads there or ends before."""
    room = _room(rules, 0.0, len(actions))
    if len(actions) <= room:
        return tuple(actions)
    pilots = [Run(action, rules.first_seed, rules.pilot) for action in (AVERAGE, *actions)]
    room_with = _room(rules, _cost(pilots), len(actions)) if rules.pilot else 0
    if room_with == 0:
        first = 2.0 * (rules.looks[0] + rules.judges)
        return tuple(actions[:room]) if room else Course("over", lacking=_lacking(rules, first))
    wanted = tuple(run for run in pilots if run not in scores)
    if wanted:
        return Course("pilots", wanted)
    found = {
        run.action: rules.improvement(scores[run], scores[pilots[0]])
        for run in pilots
        if run.action != AVERAGE
    }
    # Sorting is stable: without a score of averaging's pilot, the order is the one given.
    best = sorted(
        actions, key=lambda name: -math.inf if math.isnan(found[name]) else found[name], reverse=True
    )
    return tuple(best[:room_with])


def _room(rules: Rules, pilots: float, number: int) -> int:
    """How many of so many actions can enter: to the first look, with the judges of one in reserve."""
    most = min(rules.enter, number)
    for size in range(most, 0, -1):
        if rules.affordable(pilots + rules.looks[0] * (1 + size) + 2.0 * rules.judges):
            return size
    return 0


def _next_look(
    rules: Rules, found: Standing, pairs: Mapping[str, Sequence[float]], scores: Mapping[Run, float]
) -> tuple[Run, ...]:
    wanted: list[Run] = []
    for action, lacking in found.wanted.items():
        start = _race_seed(rules) + len(pairs[action])
        wanted.extend(_runs([action], range(start, start + lacking), scores))
    return tuple(sorted(dict.fromkeys(wanted), key=lambda run: (run.seed, run.action != AVERAGE)))


def _runs(actions: Iterable[str], seeds: Iterable[int], scores: Mapping[Run, float]) -> tuple[Run, ...]:
    runs = [Run(name, seed) for seed in seeds for name in (AVERAGE, *actions)]
    return tuple(run for run in runs if run not in scores)


def _judging_seeds(rules: Rules, found: Standing) -> range:
    start = _race_seed(rules) + found.pairs
    return range(start, start + rules.judges)


def _race_seed(rules: Rules) -> int:
    """The first seed that judges; pilots have one of their own before it."""
    return rules.first_seed + 1


def _cost(runs: Iterable[Run]) -> float:
    return sum(run.share for run in runs)


def _lacking(rules: Rules, cost: float) -> float:
    return rules.before + cost - (rules.trainings or math.inf)


def is_open(found: Course) -> bool:
    """Whether a decision that is over has left its question open."""
    return found.standing is None or not found.standing.settled or found.standing.outcome is Outcome.OPEN
