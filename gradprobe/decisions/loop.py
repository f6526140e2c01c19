"""`gradprobe.decide`: the race for anyone's training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradprobe.decisions.candidates import AVERAGING, Candidate
from gradprobe.decisions.course import AVERAGE, Course, Run, course, shared_seeds
from gradprobe.decisions.ledger import Ended, Ledger
from gradprobe.decisions.rules import Rules
from gradprobe.decisions.verdict import About, decided
from gradprobe.errors import InputError, reason_for
from gradprobe.geometry.intervals import IntArray
from gradprobe.race import Confirmation, outer_part
from gradprobe.race.confirm import FEWEST_PARENTS
from gradprobe.records.decision import Decision
from gradprobe.records.record import write_record

Train = Callable[[Any, int, float], float]
Watch = Callable[[Course, Ledger], None]


@dataclass(frozen=True)
class Outer:
    """Rows set aside before anything: `parents` [k] names the parent compound (or group) of each.

    `score(action, seed, rows)` is the score of the model trained with that action and seed on some of these
    rows, given by their numbers (some several times). It is called at the end only, for averaging and the
    action ahead, many times: keep predictions, not models.
    """

    parents: Sequence[Hashable]
    score: Callable[[Any, int, IntArray], float]


def decide(
    actions: Sequence[Any],
    train: Train,
    rules: Rules,
    *,
    seconds: float | None = None,
    averaging: Any = None,
    outer: Outer | None = None,
    score: str = "the score",
    out: str | Path | None = None,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Decision:
    """Race actions against averaging with your own training, and say what to do.

    Every action trains with the same seeds as averaging, so differences are paired. Looks are fixed (after 3,
    5, 8 and 12 pairs), and the level is split over them and over all actions that enter, so looking early
    costs nothing hidden. The race stops when an action is ahead by the margin, all are equivalent to
    averaging or behind it, or the budget is spent. The effect of the action ahead comes from `judges` pairs
    trained after it was chosen, and from the outer part where there is one.

    Args:
        actions: names, or objects with a `name` such as those of `ready_actions`, the promising ones first.
        train: `train(action, seed, share)` -> score on rows that neither trained nor stopped the model. The
            seed draws the split and the initialisation; `share` is 1, or for a pilot the part of a full
            training to do, with the schedule of the whole. An error in the very first training is raised;
            later ones, and scores that are not finite, count as failed trainings.
        rules: the margin, the budget in trainings, looks and levels; see `Rules`.
        seconds: the budget in seconds. Trainings are worked out from it once averaging was trained; none
            starts after it.
        averaging: what `train` gets for averaging. Default: "average", or the candidate of that name.
        outer: rows set aside, which meet averaging and the action ahead alone.
        score: the score's name, for the sentence.
        out: the file, such as decision.json, to write the decision to.
        watch: called before every training with the course and what was trained so far.
        clock: tells seconds.

    Raises:
        InputError: actions without distinct names, too few parents in the outer part, a first score that is
            no number, or one of averaging that leaves nothing to be relative to.
    """
    named = _named(actions, averaging)
    names = [name for name in named if name != AVERAGE]
    if outer is not None and len(set(outer.parents)) < FEWEST_PARENTS:
        raise InputError(
            f"outer: expected at least {FEWEST_PARENTS} distinct parents, got {len(set(outer.parents))}"
        )
    driver = _Driver(named, train, rules, Ledger(), seconds, watch, clock, started=clock())
    found = driver.run(names)
    predicted = {
        each.name: each.predicted for each in actions if isinstance(each, Candidate) and each.predicted
    }
    decision = decided(
        names,
        found,
        driver.rules,
        driver.ledger,
        outer=_confirm(found, driver, outer),
        about=About(score=score, predicted=predicted),
    )
    if out is not None:
        write_record(Path(out), decision)
    return decision


@dataclass
class _Driver:
    """Trains what the course wants, one training after the other."""

    actions: Mapping[str, Any]
    train: Train
    rules: Rules
    ledger: Ledger
    seconds: float | None
    watch: Watch | None
    clock: Callable[[], float]
    started: float

    def run(self, names: Sequence[str]) -> Course:
        if self.seconds is not None:
            # One training of averaging, which every course wants, tells how many fit.
            first = Run(AVERAGE, self.rules.first_seed + 1)
            self._train(first)
            fit = self.seconds / max(self.ledger.runs[first].seconds, 1e-9)
            self.rules = replace(self.rules, trainings=max(min(fit, self.rules.trainings or fit), 1.0))
        while True:
            found = course(names, self.rules, self.ledger.scores, stop=self._late())
            if not found.wanted:
                return found
            for run in found.wanted:
                if self._late():
                    break
                if self.watch is not None:
                    self.watch(found, self.ledger)
                self._train(run)

    def _late(self) -> bool:
        return self.seconds is not None and self.clock() - self.started >= self.seconds

    def _train(self, run: Run) -> None:
        began = self.clock()
        score, problem = math.nan, ""
        try:
            given = self.train(self.actions[run.action], run.seed, run.share)
            score = _number(given)
            problem = "" if math.isfinite(score) else f"its score is {score}"
        except Exception as error:  # a training that failed is a result like another
            if not self.ledger.runs:
                raise
            problem = reason_for(error)
        first = not self.ledger.runs
        self.ledger.runs[run] = Ended(math.nan if problem else score, self.clock() - began, problem)
        if first and self.rules.relative and not score > 0.0:
            raise InputError(
                f"relative: expected a positive score of averaging, got {score}; give the margin in units of "
                "the score with relative=False"
            )


def _confirm(found: Course, driver: _Driver, outer: Outer | None) -> Confirmation | None:
    """The outer part's say on the action ahead; None where there is none, or it was not judged."""
    leader = found.leader
    if outer is None or leader is None or found.lacking:
        return None
    rules, seeds = driver.rules, shared_seeds(leader, driver.rules, driver.ledger.scores)

    def difference(rows: IntArray) -> float:
        pairs = [
            [outer.score(driver.actions[name], seed, rows) for name in (leader, AVERAGE)] for seed in seeds
        ]
        return sum(rules.improvement(own, other) for own, other in pairs) / len(pairs)

    return outer_part(difference, outer.parents, seed=rules.first_seed, level=rules.level)


def _named(actions: Sequence[Any], averaging: Any) -> dict[str, Any]:
    """The actions by name, averaging first."""
    candidates = any(isinstance(each, Candidate) for each in actions)
    default = averaging if averaging is not None else AVERAGING if candidates else AVERAGE
    names = [each if isinstance(each, str) else getattr(each, "name", None) for each in actions]
    distinct = len(set(names)) == len(names) and AVERAGE not in names
    if not names or not distinct or not all(isinstance(name, str) and name for name in names):
        raise InputError(
            f"actions: expected distinct names (or objects with a name) other than {AVERAGE!r}, "
            f"at least one, got {names}"
        )
    return {AVERAGE: default, **dict(zip(map(str, names), actions, strict=True))}


def _number(given: object) -> float:
    try:
        return float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"train: expected a number as score, got {given!r}") from error
