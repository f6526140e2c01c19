from dataclasses import replace

import numpy as np
import pytest

from gradprobe.geometry import ShareCurve, mean_over_steps, pooled
from gradprobe.reports.compare.decision import SHARES, Decision, outcome_of
from gradprobe.reports.compare.prospect import (
    FEWEST_STEPS,
    MARGIN,
    Prospect,
    judged_on,
    outlooks,
    reweighting,
    steps_to_settle,
)
from gradprobe.reports.compare.ranking import Worth, ranked
from tests.reports import _streams as make

APART = [[1.0, -0.9, 0.5], [-0.9, 1.0, -0.4], [0.5, -0.4, 1.0]]
TOGETHER = [[1.0, 0.9, 0.5], [0.9, 1.0, 0.4], [0.5, 0.4, 1.0]]
# The norms of the tasks where b, when it conflicts, drowns the others.
LOUD = np.array([1.0, 3.0, 1.0])[:, None]
ALIGNED = [[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]]
UNRELATED = np.eye(3).tolist()


def series(mean, spread=0.1, *, steps=60, runs=2, seed=0):
    """Gains of each run with exactly this mean and standard deviation over steps."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(runs):
        noise = rng.normal(size=steps)
        made.append(mean + spread * (noise - noise.mean()) / noise.std(ddof=1))
    return made


def outlook(*arguments, **options):
    return outlooks(make.outcome(*arguments, **options))["rcgrad"]


def predicted(gradients, rows="heldout", *, seed=0, runs=2, **options):
    rng = np.random.default_rng(seed)
    found = outcome_of(
        [make.run(rng, gradients, **options) for _ in range(runs)], rows, focal="focal", options={}
    )
    return found, outlooks(found)


@pytest.mark.parametrize("rows", ["heldout", "fresh"])
def test_a_conflict_that_comes_and_goes_is_where_surgery_helps_beyond_the_control(rows):
    # Half of the time b helps, half of the time it harms: no fixed weight can tell, gating can.
    found, prospects = predicted([LOUD * make.means(APART), LOUD * make.means(TOGETHER)], rows, noise=0.6)
    assert prospects["cosine_gating"].prospect is Prospect.GAIN
    assert float(prospects["cosine_gating"].over_control.low) > 0.0
    assert found.steps == 80


@pytest.mark.parametrize("rows", ["heldout", "fresh"])
def test_where_only_the_focal_weight_helps_surgery_would_not_and_reweighting_is_named(rows):
    found, prospects = predicted(make.means(UNRELATED), rows, noise=0.6, runs=4)
    gating = prospects["cosine_gating"]
    assert float(gating.gain.low) > 0.0  # it drops auxiliaries at random, so the focal task weighs more
    assert {each.prospect for each in prospects.values()} <= {Prospect.NO_GAIN, Prospect.OPEN}
    assert gating.prospect is Prospect.NO_GAIN
    share, gain = reweighting(found)
    assert share > 0.7
    assert float(gain.low) > 0.0


@pytest.mark.parametrize("rows", ["heldout", "fresh"])
def test_pure_noise_is_called_neither_way(rows):
    calls = []
    for seed in range(5):
        found, prospects = predicted(np.zeros((3, make.WIDTH)), rows, seed=seed, steps=20)
        calls += [each.prospect for each in prospects.values()]
        assert reweighting(found) is None
    assert Prospect.GAIN not in calls
    assert calls.count(Prospect.NO_GAIN) < 0.1 * len(calls)  # told to lose, by chance


@pytest.mark.parametrize("rows", ["heldout", "fresh"])
def test_among_aligned_tasks_nothing_would_have_gained(rows):
    _, prospects = predicted(make.means(ALIGNED), rows, noise=0.6)
    assert {each.prospect for each in prospects.values()} == {Prospect.NO_GAIN}


def test_both_gains_must_lie_above_zero():
    above, below = series(0.5), series(-0.5)
    assert outlook(above, above).prospect is Prospect.GAIN
    assert outlook(above, below).prospect is Prospect.NO_GAIN
    assert outlook(below, above).prospect is Prospect.NO_GAIN
    assert outlook(above, series(0.05, spread=3.0)).prospect is Prospect.OPEN


def test_the_margin_is_a_part_of_the_lower_end_of_averagings_effect():
    effect = series(1.0, spread=0.4, seed=1)
    limit = MARGIN * float(outlook(series(0.5), None, effect).average.low)
    assert limit < MARGIN
    half = float(outlook(series(0.0)).gain.high)
    assert outlook(series(limit - half - 1e-6), None, effect).prospect is Prospect.NO_GAIN
    assert outlook(series(limit - half + 1e-6), None, effect).prospect is not Prospect.NO_GAIN


def test_a_gain_too_small_to_matter_is_none_though_told_from_zero():
    found = outlook(series(0.05, spread=0.01))
    assert float(found.gain.low) > 0.0
    assert found.prospect is Prospect.NO_GAIN


def test_nothing_is_small_where_averaging_itself_does_nothing():
    nothing = series(0.0, spread=1.0, seed=1)
    found = outlook(series(0.01, spread=0.5), None, nothing)
    assert found.prospect is Prospect.OPEN
    assert "not shown to help" in found.because
    assert outlook(series(-0.5), None, nothing).prospect is Prospect.NO_GAIN
    assert outlook(series(0.5), None, nothing).prospect is Prospect.GAIN


def test_every_run_must_agree_about_the_sign():
    sure = series(0.5, spread=0.8, runs=5)
    agreeing = outlook([*sure, *series(0.02, spread=3.0, runs=1, seed=1)])
    found = outlook([*sure, *series(-0.02, spread=3.0, runs=1, seed=1)])
    assert agreeing.prospect is Prospect.GAIN
    assert float(found.gain.low) > 0.0
    assert not found.gain.apart  # the last run is too unsure to be told apart
    assert found.prospect is Prospect.OPEN
    assert "disagree about the sign" in found.because


def test_runs_far_apart_are_open_whatever_their_own_intervals_say():
    found = outlook([series(1.0, runs=1)[0], series(9.0, runs=1)[0]])
    assert bool(found.gain.apart)
    assert found.prospect is Prospect.OPEN
    assert "differ" in found.because


def test_updates_without_direction_at_many_steps_are_open():
    assert outlook(series(0.5), undefined=6).prospect is Prospect.GAIN
    found = outlook(series(0.5), undefined=7)
    assert found.prospect is Prospect.OPEN
    assert "no direction at 7 of 120 trials" in found.because


def test_few_steps_have_no_interval_and_stay_open():
    found = outlook(series(5.0, steps=4))
    assert found.prospect is Prospect.OPEN
    assert "no interval" in found.because


def test_the_more_combiners_are_judged_the_stronger_a_gain_must_be():
    one = make.outcome(series(0.03, spread=0.12, steps=60))
    p_value = float(one.predictions[0].gain.equal_length.gain.p_above)
    assert 0.0125 < p_value < 0.025
    noise = [make.outcome(series(0.0, seed=seed), name=f"c{seed}").predictions[0] for seed in range(5)]
    many = type(one)(**{**vars(one), "predictions": (*one.predictions, *noise)})
    averages = series(0.0, spread=1.0, seed=1)
    alone = make.outcome(series(0.03, spread=0.12, steps=60), None, averages)
    crowded = type(alone)(**{**vars(alone), "predictions": many.predictions})
    assert outlooks(alone)["rcgrad"].prospect is Prospect.GAIN
    assert outlooks(crowded)["rcgrad"].prospect is Prospect.OPEN


def test_heldout_rows_judge_where_there_are_enough_steps_and_fresh_ones_else():
    few = make.outcome(series(0.5, steps=FEWEST_STEPS - 1, runs=1))
    enough = make.outcome(series(0.5, steps=FEWEST_STEPS, runs=1))
    fresh = make.outcome(series(0.5), rows="fresh")
    assert judged_on(Decision(enough, fresh)) is enough
    assert judged_on(Decision(few, fresh)) is fresh
    assert judged_on(Decision(None, fresh)) is fresh
    assert judged_on(Decision(few, None)) is None


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 2.0), (-0.02, 0.8), (0.02, 0.5)])
def test_the_number_of_steps_settles_about_four_windows_in_five(mean, spread):
    def settled(steps):
        rng = np.random.default_rng(3)
        windows = (
            outlook([rng.normal(mean, spread, size=steps)], None, [rng.normal(1.0, spread, size=steps)])
            for _ in range(60)
        )
        return np.mean([found.prospect is not Prospect.OPEN for found in windows])

    def named(seed):
        averages = series(1.0, spread, steps=100, runs=1, seed=100 + seed)
        return steps_to_settle(
            outlook(series(mean, spread, steps=100, runs=1, seed=seed), None, averages), most=10**6
        )

    # The spread is told from one window only roughly, so the middle one of several is held to the promise.
    needed = int(np.median([named(seed) for seed in range(9)]))
    assert needed > 100
    assert 0.65 <= settled(needed) <= 0.95
    assert settled(needed // 3) < 0.6


def test_no_number_of_steps_is_named_where_steps_are_no_remedy():
    assert steps_to_settle(outlook(series(0.5)), most=10**6) is None  # settled
    assert steps_to_settle(outlook(series(5.0, steps=4)), most=10**6) is None  # no interval to go by
    assert steps_to_settle(outlook(series(0.01, spread=3.0)), most=1000) is None  # too many


def test_reweighting_is_held_to_the_number_of_shares():
    rng = np.random.default_rng(0)
    steps = rng.normal(0.033, 0.12, size=(60, SHARES.size))
    steps += 0.033 - steps.mean(axis=0)
    curve = pooled([mean_over_steps(steps, np.ones_like(steps))], [1.0])
    assert (curve.p_above < 0.05).any()
    assert (curve.p_above > 0.025 / SHARES.size).all()
    plain = make.outcome(series(0.5))
    found = replace(plain, curve=ShareCurve(SHARES, curve, curve))
    assert reweighting(found) is None
    far = pooled([mean_over_steps(steps + 0.1, np.ones_like(steps))], [1.0])
    assert reweighting(replace(plain, curve=ShareCurve(SHARES, far, far))) is not None


def test_auxiliaries_are_ranked_and_told_from_nothing():
    found, _ = predicted(make.means([[1.0, 0.7, -0.7], [0.7, 1.0, -0.4], [-0.7, -0.4, 1.0]]))
    focal, *others = ranked(found)
    assert (focal.task, focal.worth) == ("focal", None)
    assert [(each.task, each.worth) for each in others] == [("b", Worth.HELPS), ("c", Worth.HARMS)]
    noise, _ = predicted(np.zeros((3, make.WIDTH)))
    assert {each.worth for each in ranked(noise)[1:]} == {Worth.UNKNOWN}
