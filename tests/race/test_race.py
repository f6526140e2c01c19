from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from scipy import stats

from gradprobe.errors import InputError
from gradprobe.race import Outcome, Plan, Status, fresh_mean, paired_interval, standing

PLAN = Plan(("a", "b"), margin=0.02)
STEADY = np.tile([0.10, 0.11, 0.09, 0.10], 3)
NOISE = np.tile([0.5, -0.5, 0.4, -0.4], 3)


def status_of(found, action):
    return next(entry.status for entry in found.entries if entry.action == action)


def race(plan, draw):
    """Run a race to its end, drawing the pairs it asks for: the standing, and the pairs trained."""
    pairs = {action: np.empty(0) for action in plan.actions}
    while (found := standing(plan, pairs)).outcome is Outcome.RUNNING:
        for action, count in found.wanted.items():
            pairs[action] = np.append(pairs[action], draw(action, count))
    return found, pairs


def test_levels_of_all_looks_and_actions_add_up_to_the_plans():
    levels = [PLAN.level_at(look) for look in range(4) for _ in PLAN.actions]
    assert sum(levels) == pytest.approx(0.05)
    assert list(accumulate(levels))[-1] == pytest.approx(PLAN.level)


def test_a_paired_interval_is_that_of_the_t_test():
    values = np.random.default_rng(0).normal(size=7)
    wanted = stats.ttest_1samp(values, 0.0).confidence_interval(0.99)
    found = paired_interval([*values, np.nan], 0.01)
    assert (found.low, found.high) == pytest.approx(tuple(wanted))
    assert found.pairs == 7
    assert np.isnan(paired_interval([0.3]).low)
    assert np.isnan(paired_interval([np.nan]).mean)


def test_equal_differences_that_are_not_zero_have_no_spread_to_judge_by():
    found = paired_interval([0.125, 0.125, 0.125])
    assert (found.mean, found.low, found.high) == (0.125, -np.inf, np.inf)
    assert standing(PLAN, {action: [0.125] * 3 for action in "ab"}).outcome is Outcome.RUNNING


def test_a_race_asks_for_the_pairs_of_its_next_look_and_no_more():
    assert standing(PLAN, {}).wanted == {"a": 3, "b": 3}
    found = standing(PLAN, {"a": NOISE[:3], "b": NOISE[:2]})
    assert (found.outcome, found.wanted, found.looks) == (Outcome.RUNNING, {"b": 1}, 0)
    found = standing(PLAN, {"a": NOISE[:3], "b": NOISE[:3]})
    assert (found.wanted, found.looks, found.pairs) == ({"a": 2, "b": 2}, 1, 3)


def test_an_action_clearly_better_stops_the_race_and_leads_it():
    found = standing(PLAN, {"a": NOISE[:5], "b": STEADY[:5]})
    assert (found.outcome, found.leader, found.settled) == (Outcome.AHEAD, "b", True)
    assert found.pairs in (3, 5)
    assert found.wanted == {}


def test_of_two_actions_ahead_the_larger_mean_leads():
    found = standing(PLAN, {"a": STEADY[:5], "b": STEADY[:5] + 0.05})
    assert found.leader == "b"


def test_better_for_sure_but_by_less_than_the_margin_is_not_ahead():
    found = standing(PLAN, dict.fromkeys(PLAN.actions, 0.01 + 1e-05 * NOISE))
    assert (found.outcome, found.settled) == (Outcome.AVERAGING, True)
    assert status_of(found, "a") is Status.EQUIVALENT


def test_actions_that_never_touch_the_focal_task_are_equivalent_at_the_first_look():
    found = standing(PLAN, {action: np.zeros(3) for action in PLAN.actions})
    assert (found.outcome, found.looks) == (Outcome.AVERAGING, 1)


def test_harm_is_behind_and_no_equivalence():
    found = standing(PLAN, {"a": -STEADY, "b": 1e-5 * NOISE})
    assert status_of(found, "a") is Status.BEHIND
    assert found.outcome is Outcome.AVERAGING


def test_what_is_not_promising_is_given_up_without_a_claim():
    differences = {"a": [-0.3, 0.1, -0.15, -0.2, 0.05], "b": [0.3, -0.2, 0.2, 0.1, -0.1]}
    found = standing(PLAN, differences)
    assert (status_of(found, "a"), status_of(found, "b")) == (Status.GIVEN_UP, Status.RUNNING)
    assert found.wanted == {"b": 3}


def test_what_can_be_shown_equivalent_by_the_last_look_runs_on():
    values = [0.001, -0.004, -0.003]
    assert status_of(standing(PLAN, {"a": values, "b": STEADY[:3]}), "a") is Status.RUNNING
    found = standing(PLAN, {"a": np.tile(values, 4), "b": np.tile(values, 4)})
    assert (found.outcome, status_of(found, "a")) == (Outcome.AVERAGING, Status.EQUIVALENT)


def test_a_race_that_ends_in_noise_is_open():
    found = standing(PLAN, dict.fromkeys(PLAN.actions, NOISE))
    assert (found.outcome, found.settled, found.pairs) == (Outcome.OPEN, False, 12)


def test_an_action_whose_trainings_fail_leaves_the_race():
    found = standing(PLAN, {"a": [np.nan, np.nan, 0.1], "b": STEADY[:3]})
    assert status_of(found, "a") is Status.FAILED


def test_a_dropped_action_keeps_its_share_of_the_level():
    alone = Plan(("b",), margin=0.02)
    values = [0.10, 0.16, 0.13]
    two = standing(PLAN, {"a": [-0.1, -0.2, -0.02], "b": values})
    one = standing(alone, {"b": values})
    widths = [entry.interval.high - entry.interval.low for entry in (two.entries[1], one.entries[0])]
    assert widths[0] > 1.3 * widths[1]


def test_a_race_of_actions_without_effect_is_won_by_chance_no_more_often_than_its_level_allows():
    rng = np.random.default_rng(1)
    plan = Plan(tuple("abcde"), margin=0.1)
    ends = [race(plan, lambda _, n: rng.normal(size=n))[0].outcome for _ in range(400)]
    won = np.mean([end is Outcome.AHEAD for end in ends])
    # Two-sided at 0.05: half of it is above. The bound is three standard errors off.
    assert won <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 400)


def test_looking_again_and_again_at_the_full_level_would_win_by_chance():
    """The mistake planted: five actions, four looks, 5 % each time."""
    rng = np.random.default_rng(2)
    won = 0
    for _ in range(100):
        pairs = rng.normal(size=(5, 12))
        won += any(paired_interval(own[:n], 0.05).low > 0.0 for own in pairs for n in (3, 5, 8, 12))
    assert won / 100 > 0.15


def test_the_winners_own_pairs_flatter_it_and_fresh_ones_do_not():
    rng = np.random.default_rng(3)
    plan = Plan(tuple("abcdef"), margin=0.1)
    chosen, fresh = [], []
    for _ in range(400):
        found, pairs = race(plan, lambda _, n: 0.8 + rng.normal(size=n))
        if found.leader is None:
            continue
        chosen.append(pairs[found.leader].mean())
        more = np.append(pairs[found.leader], 0.8 + rng.normal(size=6))
        fresh.append(fresh_mean(more, found.pairs).mean)
    assert np.mean(chosen) > 0.95
    assert np.mean(fresh) == pytest.approx(0.8, abs=0.12)


def test_plans_that_cannot_be_run_are_refused_by_name():
    for message, options in {
        "actions": {"actions": ("a", "a")},
        "looks": {"looks": (3, 3)},
        "level": {"level": 0.0},
        "margin": {"margin": 0.0},
        "spending": {"spending": (0.5, 0.5)},
    }.items():
        with pytest.raises(InputError, match=message):
            Plan(**{"actions": ("a",), "margin": 0.02, **options})
    with pytest.raises(InputError, match="differences"):
        standing(PLAN, {"c": [0.1]})
