"""Decisions about simulated trainings whose true effects are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import gradprobe
from gradprobe.decisions import AVERAGE, Candidate, Outer, Rules, Run, course, decide
from gradprobe.errors import InputError
from gradprobe.race import fresh_mean
from gradprobe.records.decision import Decision, Predicted

RULES = Rules(higher_is_better=False)


class Lab:
    """Scores 0.5 less the true effect, plus noise: half of it the seed's, shared by all actions."""

    def __init__(self, effects=None, *, noise=0.002, seconds=1.0, fails=()):
        self.effects, self.noise, self.seconds, self.fails = effects or {}, noise, seconds, set(fails)
        self.runs, self.now = [], 0.0

    def __call__(self, action, seed, share):
        name = getattr(action, "name", action)
        self.runs.append(Run(name, seed, share))
        self.now += self.seconds * share
        if (name, seed) in self.fails:
            raise RuntimeError("out of memory")
        shared = np.random.default_rng([1, seed]).normal()
        own = np.random.default_rng([2, seed, *name.encode()]).normal()
        return 0.5 * (1.0 - self.effects.get(name, 0.0)) + self.noise * (shared + own)

    def clock(self):
        return self.now


def outer(difference, parents=30):
    """Outer rows on which an action's score is better than averaging's by a part of it, row by row."""
    errors = np.random.default_rng(3).uniform(0.9, 1.1, size=parents)

    def score(action, seed, rows):
        better = 0.0 if action == AVERAGE else difference
        return float(np.mean(errors[rows] * (1.0 - better)))

    return Outer([f"parent {k}" for k in range(parents)], score)


def test_a_clear_winner_is_recommended_by_seeds_that_did_not_choose_it():
    lab = Lab({"drop CAR": 0.10, "focal alone": -0.05})
    found = decide(["focal alone", "drop CAR"], lab, RULES, outer=outer(0.08))
    assert (found.claim, found.recommended) == ("ahead", "drop CAR")
    line = next(line for line in found.actions if line.action == "drop CAR")
    assert (line.status, line.rests_on) == ("ahead", "3 paired trainings")
    # The oracle: the pairs after the look that chose, trained again by hand.
    again = Lab({"drop CAR": 0.10, "focal alone": -0.05})
    pairs = [1.0 - again("drop CAR", seed, 1.0) / again(AVERAGE, seed, 1.0) for seed in range(1, 9)]
    wanted = fresh_mean(pairs, 3)
    assert (found.effect.mean, found.effect.low, found.effect.pairs) == pytest.approx(
        (wanted.mean, wanted.low, 5)
    )
    assert found.outer.confirmed
    assert found.outer.difference == pytest.approx(0.08)
    assert found.sentence.startswith("Use drop CAR instead of averaging: it improves the score (+")
    # Three looks' pairs of both actions and averaging, then five pairs of the winner.
    assert found.cost.trainings == 3 * 3 + 2 * 5 == len(lab.runs)


def test_where_all_are_equal_averaging_stays_and_the_question_is_settled():
    found = decide(["a", "b", "c"], Lab(noise=0.0005), RULES)
    assert (found.claim, found.recommended) == ("averaging", AVERAGE)
    assert {line.status for line in found.actions} == {"equivalent"}
    assert found.sentence.startswith("Keep averaging: no action tried beats it by 2 % (a, b and c;")
    assert found.effect is None
    assert not found.next_runs


def test_where_every_action_harms_averaging_stays():
    found = decide(["a", "b"], Lab({"a": -0.2, "b": -0.1}), RULES)
    assert (found.claim, found.recommended) == ("averaging", AVERAGE)
    assert {line.status for line in found.actions} == {"behind"}


def test_a_budget_that_is_too_small_trains_nothing_and_says_what_it_takes():
    lab = Lab({"a": 0.3})
    found = decide(["a"], lab, Rules(higher_is_better=False, trainings=15))
    assert (found.claim, found.recommended, lab.runs) == ("not settled", AVERAGE, [])
    assert [each.trainings for each in found.next_runs] == [16.0]
    assert "3 pairs of averaging and a" in found.sentence


def test_no_budget_is_overrun_and_the_next_runs_are_costed():
    for trainings in (16, 25, 40):
        lab = Lab({"a": 0.015, "b": 0.0}, noise=0.01)
        rules = Rules(higher_is_better=False, trainings=trainings)
        found = decide(["a", "b"], lab, rules, clock=lab.clock)
        assert len(lab.runs) <= trainings
        assert found.claim == "not settled"
        assert found.next_runs[0].trainings >= 2
        assert found.next_runs[0].text in found.sentence
        assert found.next_runs[0].seconds == pytest.approx(found.next_runs[0].trainings)


def test_fewer_actions_enter_where_the_budget_does_not_hold_all_and_the_first_ones_do():
    lab = Lab(noise=0.0005)
    found = decide(list("abcd"), lab, Rules(higher_is_better=False, trainings=20))
    status = {line.action: line.status for line in found.actions}
    assert [name for name in "abcd" if status[name] != "not entered"] == ["a", "b"]


def test_seconds_are_a_budget_too():
    lab = Lab(noise=0.0005, seconds=60.0)
    found = decide(["a", "b", "c", "d"], lab, RULES, seconds=1300.0, clock=lab.clock)
    assert lab.now <= 1300.0
    assert found.cost.seconds == pytest.approx(lab.now)


def test_a_prediction_that_training_refutes_is_shown_as_refuted():
    foretold = Predicted(effect=0.4, low=0.2, high=0.6, runs=2)
    actions = [Candidate("drop CAR", {"CAR": 0.0}, predicted=foretold)]
    found = decide(actions, Lab({"drop CAR": -0.1}), RULES)
    assert found.actions[0].refuted
    assert found.actions[0].predicted == foretold
    assert found.recommended == AVERAGE
    agreed = decide(actions, Lab({"drop CAR": 0.1}), RULES)
    assert not agreed.actions[0].refuted


def test_where_the_outer_part_disagrees_the_winner_is_not_confirmed_and_the_runner_up_not_named():
    lab = Lab({"a": 0.12, "b": 0.10})
    found = decide(["a", "b"], lab, RULES, outer=outer(-0.03))
    assert (found.claim, found.recommended) == ("not confirmed", AVERAGE)
    assert "a was ahead in the race, but the rows set aside disagree" in found.sentence
    assert "not confirmed" in found.sentence


def test_only_averaging_and_the_action_ahead_meet_the_outer_part():
    met = set()
    part = outer(0.05)

    def score(action, seed, rows):
        met.add(action)
        return part.score(action, seed, rows)

    decide(["a", "b", "c"], Lab({"b": 0.1}), RULES, outer=Outer(part.parents, score))
    assert met == {AVERAGE, "b"}


def test_fresh_seeds_that_disagree_are_not_outvoted_by_those_that_chose():
    class Curse(Lab):
        def __call__(self, action, seed, share):
            self.effects = {"a": 0.1 if seed <= 3 else -0.1}
            return super().__call__(action, seed, share)

    found = decide(["a"], Curse(), RULES)
    assert (found.claim, found.recommended) == ("not confirmed", AVERAGE)
    assert "fresh seeds disagree" in found.sentence


def test_failed_trainings_cost_and_are_named_and_the_rest_decides():
    lab = Lab({"a": 0.1}, fails=[("a", 2)])
    found = decide(["a"], lab, Rules(higher_is_better=False, looks=(4, 8), spending=(0.5, 0.5)))
    assert found.claim == "ahead"
    assert found.cost.failed == 1
    assert found.cost.trainings == len(lab.runs)
    assert found.problems == ("a, seed 2: RuntimeError: out of memory",)


def test_an_action_that_always_fails_leaves_the_question_open():
    found = decide(["a"], Lab(fails=[("a", seed) for seed in range(20)]), RULES)
    assert found.claim == "not settled"
    assert found.actions[0].status == "failed"


def test_an_error_of_the_very_first_training_is_raised():
    with pytest.raises(RuntimeError, match="out of memory"):
        decide(["a"], Lab(fails=[(AVERAGE, 1)]), RULES)


def test_pilots_choose_what_enters_on_a_seed_that_judges_nothing():
    names = [f"a{k}" for k in range(6)]
    lab = Lab({"a5": 0.1})
    found = decide(names, lab, Rules(higher_is_better=False, pilot=0.5, enter=2))
    pilots = [run for run in lab.runs if run.share < 1.0]
    assert {run.seed for run in pilots}.isdisjoint({run.seed for run in lab.runs if run.share == 1.0})
    assert len(pilots) == 7
    assert found.cost.pilots == 3.5
    assert (found.recommended, found.cost.trainings) == ("a5", 3.5 + 3 * 3 + 2 * 5)


def test_the_course_of_half_the_scores_is_the_same_course():
    lab, scores = Lab({"a": 0.05, "b": 0.0}, noise=0.004), {}
    order = []
    while (found := course(["a", "b"], RULES, scores)).wanted:
        # As if it were interrupted after every training.
        run = found.wanted[0]
        order.append(run)
        scores[run] = lab(run.action, run.seed, run.share)
    straight = Lab({"a": 0.05, "b": 0.0}, noise=0.004)
    decide(["a", "b"], straight, RULES)
    assert order == straight.runs


def test_how_often_a_decision_errs_is_within_its_level():
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        effects = dict.fromkeys("abc", 0.0)
        draws: dict[tuple[str, int], float] = {}

        def train(action, seed, share, draws=draws, effects=effects):
            key = (action, seed)
            draws.setdefault(key, 0.5 * (1.0 - effects.get(action, 0.0)) + 0.01 * rng.normal())
            return draws[key]

        wrong += decide(["a", "b", "c"], train, RULES).claim == "ahead"
    # 5 % of 200 are 10; more than 18 would happen once in a hundred.
    assert wrong <= 18


def test_higher_scores_can_be_better_and_differences_absolute():
    def train(action, seed, share):
        return (0.3 if action == "a" else 0.0) - 0.1 + 0.001 * seed * (action == "a")

    rules = Rules(higher_is_better=True, relative=False, margin=0.05)
    found = decide(["a"], train, rules, score="R2")
    assert found.recommended == "a"
    assert "improves R2 (+0.3" in found.sentence
    with pytest.raises(InputError, match="relative=False"):
        decide(["a"], train, Rules(higher_is_better=True))


def test_the_decision_is_a_file_that_reads_back(tmp_path):
    found = decide(["a"], Lab({"a": 0.1}), RULES, out=tmp_path / "decision.json")
    content = json.loads((tmp_path / "decision.json").read_text())
    assert (content["format"], content["schema_version"]) == ("gradprobe decision", 2)
    assert Decision.model_validate(content) == found
    assert found.model_config["frozen"]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: decide([], Lab(), RULES), "actions: expected distinct names"),
        (lambda: decide(["a", "a"], Lab(), RULES), "actions: expected distinct names"),
        (lambda: decide([AVERAGE], Lab(), RULES), "actions: expected distinct names"),
        (lambda: decide(["a"], lambda *_: "good", RULES), "train: expected a number"),
        (lambda: decide(["a"], Lab(), RULES, outer=outer(0.0, parents=9)), "outer: expected at least 10"),
        (lambda: Rules(higher_is_better=True, judges=1), "judges: expected at least 2"),
        (lambda: Rules(higher_is_better=True, pilot=1.0), "pilot: expected a part"),
        (lambda: Rules(higher_is_better=True, margin=0.0), "margin: expected a positive"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_trained(call, named):
    with pytest.raises(InputError, match=named):
        call()


def test_public_names_lead_here():
    assert gradprobe.decide is decide
    assert math.isnan(RULES.improvement(0.5, math.nan))
