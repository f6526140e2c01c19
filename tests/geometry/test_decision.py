from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import (
    TaskProducts,
    Trials,
    affinities,
    fresh_trials,
    gain,
    heldout_trials,
    leverage,
    share_curve,
)
from tests.geometry._populations import pair_of_means, products_of, simulated


def average(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
    return present / present.sum()


def focal_alone(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
    return np.eye(len(present))[focal] if present[focal] else present / present.sum()


def gating(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
    """The mean of the focal task and the auxiliaries that do not conflict with it."""
    kept = present & (gramian[focal] >= 0.0)
    return kept / kept.sum()


def levelling(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
    """Every gradient at length one."""
    return 1.0 / np.sqrt(np.diagonal(gramian))


def constant(*weights: float):
    return lambda gramian, present, focal: np.array(weights)


def _random(seed: int = 0, steps: int = 12, tasks: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Fold gradients [t, 2, m, d] and row counts, some of them zero."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, 2, tasks, 4)) + 0.5, rng.integers(0, 4, size=(steps, 2, tasks)).astype(
        float
    )


def test_fresh_rows_by_loops_over_steps_and_folds():
    gradients, rows = _random()
    found = gain(fresh_trials(products_of(gradients, rows), focal="b"), gating)
    effects = {name: [] for name in ("own", "average", "own_rate", "average_rate")}
    for step, counts in zip(gradients, rows, strict=True):
        for own, other in ((0, 1), (1, 0)):
            present = counts[own] > 0
            if counts[other, 1] == 0 or not present.any():
                continue
            made = np.where(present[:, None], step[own], 0.0)
            for name, weigh in (("own", gating), ("average", average)):
                update = weigh(made @ made.T, present, 1) @ made
                effects[name].append(update @ step[other, 1] / np.linalg.norm(update))
                effects[name + "_rate"].append(update @ step[other, 1])
    assert found.trials == len(effects["own"])
    assert 12 < found.trials < 24
    assert found.undefined == 0
    length, rate = found.equal_length, found.equal_rate
    assert float(length.effect) == pytest.approx(np.mean(effects["own"]))
    assert float(length.average) == pytest.approx(np.mean(effects["average"]))
    assert float(length.gain) == pytest.approx(np.mean(effects["own"]) - np.mean(effects["average"]))
    assert float(rate.gain) == pytest.approx(np.mean(effects["own_rate"]) - np.mean(effects["average_rate"]))
    assert float(length.gain) != pytest.approx(float(rate.gain), rel=0.01)


def test_heldout_rows_by_loops_over_steps():
    gradients, rows = _random(1)
    rows[:, :, 0] = 2.0
    products = products_of(gradients, rows).whole
    heldout = np.random.default_rng(9).normal(size=(12, 4)) + 0.5
    merged = np.einsum("sxi,sxid->sid", rows, gradients) / np.maximum(rows.sum(axis=1), 1.0)[..., None]
    effects = np.where(products.present, np.einsum("sid,sd->si", merged, heldout), np.nan)
    effects[3] = np.nan
    found = gain(heldout_trials(products, effects, focal="a"), gating).equal_length
    own, plain = [], []
    for s in set(range(12)) - {3}:
        made = np.where(products.present[s][:, None], merged[s], 0.0)
        for weigh, into in ((gating, own), (average, plain)):
            update = weigh(made @ made.T, products.present[s], 0) @ made
            into.append(update @ heldout[s] / np.linalg.norm(update))
    assert float(found.effect) == pytest.approx(np.mean(own))
    assert float(found.gain) == pytest.approx(np.mean(own) - np.mean(plain))


def _chasing(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
    """Weights the tasks by their alignment with the focal one: chases noise where there is no signal."""
    return np.maximum(gramian[focal], 0.0) / gramian[focal].max()


def test_pure_noise_earns_no_gain_on_other_rows():
    significant = 0
    for seed in range(200):
        folds = simulated(np.random.default_rng(seed), np.zeros((3, 8)), steps=48)
        found = gain(fresh_trials(folds, focal="a"), _chasing).equal_length
        significant += bool(found.gain.low > 0.0)
    assert significant / 200 < 0.025 + 3 * np.sqrt(0.025 / 200)


def test_weights_update_and_effect_of_the_same_rows_would_reward_noise():
    """The planted mistake: the focal gradient of the very rows that made the update."""
    folds = simulated(np.random.default_rng(0), np.zeros((3, 8)), steps=60)
    trials = fresh_trials(folds, focal="a")
    same = Trials(
        trials.tasks,
        0,
        trials.gramians,
        trials.present,
        trials.gramians[:, :, 0],
        trials.step_of,
        trials.steps,
    )
    rewarded, honest = gain(same, _chasing).equal_length, gain(trials, _chasing).equal_length
    assert float(rewarded.gain) > 10 * float(rewarded.gain.standard_error)
    assert abs(float(honest.gain)) < 4 * float(honest.gain.standard_error)


def test_weights_of_one_fold_for_gradients_of_the_other_are_not_what_is_judged():
    """The update is made of fold A's gradients, noise included: at equal length it is shorter for it."""
    folds = simulated(np.random.default_rng(0), pair_of_means(0.0, 20, length=1.0), steps=400)
    found = gain(fresh_trials(folds, focal="a"), focal_alone).equal_length
    assert float(found.effect) == pytest.approx(1 / np.sqrt(1 + 20 / 4), rel=0.1)


def test_a_planted_conflict_is_found():
    folds = simulated(np.random.default_rng(0), pair_of_means(-0.8, 6), steps=100, rows=16)
    found = gain(fresh_trials(folds, focal="a"), gating)
    assert found.equal_length.gain.excludes_zero
    assert float(found.equal_length.gain) > 0.3
    assert found.equal_rate.gain.low > 0.0
    assert float(found.leverage) > 0.1


def _still(means: np.ndarray, steps: int = 10) -> Trials:
    return fresh_trials(simulated(np.random.default_rng(0), means, steps=steps, noise=0.0), focal="a")


def test_known_gradients_have_the_gain_of_a_closed_form():
    """Focal (1, 0), auxiliary (-1/2, 1): averaging (1/4, 1/2) lowers focal loss by 1/4 a rate."""
    trials = _still(np.array([[1.0, 0.0], [-0.5, 1.0]]))
    found = gain(trials, focal_alone)
    assert float(found.equal_rate.average) == pytest.approx(0.25)
    assert float(found.equal_rate.gain) == pytest.approx(0.75)
    assert float(found.equal_length.average) == pytest.approx(1 / np.sqrt(5))
    assert float(found.equal_length.gain) == pytest.approx(1 - 1 / np.sqrt(5))
    assert (found.focal_share, found.trials) == (1.0, 20)
    assert float(found.leverage) == pytest.approx(1 - 1 / np.sqrt(5))


def test_fixed_weights_gain_nothing_over_averaging_reweighted_to_the_same_share():
    folds = simulated(np.random.default_rng(0), np.ones((3, 5)), steps=40)
    found = gain(fresh_trials(folds, focal="b"), constant(1.0, 3.0, 1.0))
    assert found.focal_share == pytest.approx(0.6)
    for comparison in (found.equal_length, found.equal_rate):
        assert float(comparison.gain_over_control) == pytest.approx(0.0, abs=1e-12)
        assert abs(float(comparison.gain)) > 0.01


def test_the_control_has_the_mean_share_and_the_mean_sum_of_weights():
    """Half the trials take the focal task alone, twice as long: on average a share of 3/4."""
    trials = _still(np.array([[1.0, 0.0], [-0.5, 1.0]]), steps=10)
    calls = iter(range(20))

    def weigh(gramian: np.ndarray, present: np.ndarray, focal: int) -> np.ndarray:
        return np.array([2.0, 0.0]) if next(calls) % 2 else np.array([0.5, 0.5])

    found = gain(trials, weigh)
    assert found.focal_share == pytest.approx(0.75)
    control = 1.5 * (0.75 * 1.0 + 0.25 * -0.5)
    assert float(found.equal_rate.control) == pytest.approx(control)
    assert float(found.equal_rate.gain_over_control) == pytest.approx((2.0 + 0.25) / 2 - control)


def test_an_update_of_length_zero_drops_out_at_equal_length_only():
    trials = _still(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    found = gain(trials, constant(0.5, 0.5))
    assert found.undefined == 20
    assert np.isnan(found.equal_length.gain.values)
    assert found.equal_length.gain.reason == "no step of the window has it"
    assert float(found.equal_rate.gain) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(float(found.leverage))


def test_the_curve_starts_at_zero_for_the_share_of_averaging_and_ends_at_the_focal_task_alone():
    folds = simulated(
        np.random.default_rng(0), np.vstack([pair_of_means(-0.5, 6), np.ones((1, 6))]), steps=30
    )
    trials = fresh_trials(folds, focal="a")
    curve = share_curve(trials, np.array([0.0, 1 / 3, 1.0]))
    alone = gain(trials, focal_alone)
    for estimate, comparison in (
        (curve.equal_length, alone.equal_length),
        (curve.equal_rate, alone.equal_rate),
    ):
        assert estimate.values[1] == pytest.approx(0.0, abs=1e-12)
        assert estimate.values[2] == pytest.approx(float(comparison.gain))
        assert estimate.high[2] == pytest.approx(float(comparison.gain.high))
        assert estimate.values[0] < 0.0
    with pytest.raises(InputError, match="shares: expected a list of numbers between 0 and 1"):
        share_curve(trials, np.array([1.2]))


def test_affinities_of_known_gradients():
    """Focal (2, 0); a helper (3, 4), a harmful one (-1, 0), an unrelated one (0, 5)."""
    found = affinities(_still(np.array([[2.0, 0.0], [3.0, 4.0], [-1.0, 0.0], [0.0, 5.0]])))
    np.testing.assert_allclose(found.effects.values, [2.0, 2 * 0.6, -2.0, 0.0], atol=1e-12)
    assert (found.tasks, found.focal) == (("a", "b", "c", "d"), "a")


def test_affinities_tell_helpers_and_harmful_ones_from_noise():
    means = np.zeros((4, 12))
    means[0, 0], means[1, 0], means[2, 0] = 1.0, 1.0, -1.0
    found = affinities(fresh_trials(simulated(np.random.default_rng(1), means, steps=150), focal="a"))
    assert found.nonzero.tolist() == [False, True, True, False]
    assert found.effects.low[1] > 0.0 > found.effects.high[2]
    assert found.effects.values[0] > 0.0


def test_affinity_skips_tasks_that_are_missing_or_have_a_zero_gradient():
    gradients, rows = np.ones((10, 2, 3, 2)), np.full((10, 2, 3), 2.0)
    rows[:5, :, 1] = 0.0
    gradients[:, :, 2] = 0.0
    found = affinities(fresh_trials(products_of(gradients, rows), focal="a")).effects
    assert found.values[1] == pytest.approx(np.sqrt(2.0))
    assert np.isnan(found.values[2])
    assert found.reasons[2,] == "no step of the window has it"


def test_a_step_without_focal_rows_to_judge_on_is_no_trial():
    gradients, rows = np.ones((6, 2, 2, 3)), np.full((6, 2, 2), 2.0)
    rows[0, 1, 0] = rows[1, :, 0] = rows[2, 0, :] = 0.0
    trials = fresh_trials(products_of(gradients, rows), focal="a")
    np.testing.assert_array_equal(np.bincount(trials.step_of), [1, 0, 0, 2, 2, 2])
    assert trials.present[trials.step_of == 0].tolist() == [[False, True]]
    assert np.isnan(gain(trials, average).equal_length.effect.values) == np.False_


def test_leverage_is_the_distance_of_two_directions():
    assert leverage(np.eye(2), np.array([1.0, 0.0]), np.array([-1.0, 0.0])) == 2.0
    assert leverage(np.eye(2), np.array([3.0, 3.0]), np.array([0.1, 0.1])) == 0.0
    assert np.isnan(leverage(np.eye(2), np.zeros(2), np.ones(2)))


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        (np.zeros((4, 3)), r"effects: expected shape \(4, 2\) \(steps, tasks\), got \(4, 3\)"),
        (np.array([[1.0, np.nan]] * 4), "expected a finite number for every task present"),
        (np.full((4, 2), np.inf), "expected a finite number for every task present"),
    ],
)
def test_heldout_effects_that_do_not_fit_are_refused(effects, message):
    products = TaskProducts(("a", "b"), np.ones((4, 2, 2)), np.ones((4, 2), dtype=bool))
    with pytest.raises(InputError, match=message):
        heldout_trials(products, effects, focal="a")
    with pytest.raises(InputError, match=r"focal: expected one of \['a', 'b'\], got 'x'"):
        heldout_trials(products, np.zeros((4, 2)), focal="x")


def test_in_an_optimisers_geometry_plain_gradients_still_set_the_weights():
    rng = np.random.default_rng(7)
    gradients, rows = rng.normal(size=(12, 2, 3, 4)) + 0.3, np.full((12, 2, 3), 4.0)
    scale = rng.uniform(0.1, 3.0, size=4)
    plain = products_of(gradients, rows)
    scaled = products_of(gradients * np.sqrt(scale), rows)
    found = gain(fresh_trials(scaled, focal="a", weighed=plain), levelling).equal_length
    gains = []
    for step in gradients:
        for own, other in ((step[0], step[1]), (step[1], step[0])):
            effect = []
            for weigh in (levelling, average):
                update = weigh(own @ own.T, np.ones(3, dtype=bool), 0) @ own
                effect.append(update * scale @ other[0] / np.sqrt(update * scale @ update))
            gains.append(effect[0] - effect[1])
    assert float(found.gain) == pytest.approx(np.mean(gains))
    wrong = gain(fresh_trials(scaled, focal="a"), levelling).equal_length
    assert float(wrong.gain) != pytest.approx(np.mean(gains), rel=0.01)
    judge = rng.normal(size=4)
    means = gradients.mean(axis=1)
    effects = np.einsum("sid,d,d->si", means, scale, judge)
    on_heldout = gain(heldout_trials(scaled.whole, effects, focal="a", weighed=plain.whole), levelling)
    updates = [levelling(g @ g.T, np.ones(3, dtype=bool), 0) @ g for g in means]
    wanted = np.mean([u * scale @ judge / np.sqrt(u * scale @ u) for u in updates])
    assert float(on_heldout.equal_length.effect) == pytest.approx(wanted)


def test_weights_from_other_steps_are_refused():
    gradients, rows = _random()
    long, short = products_of(gradients, rows), products_of(gradients[:5], rows[:5])
    with pytest.raises(InputError, match="weighed: expected products of 12 steps"):
        fresh_trials(long, focal="a", weighed=short)
    with pytest.raises(InputError, match="weighed: expected products of 12 steps"):
        heldout_trials(long.whole, np.zeros((12, 3)), focal="a", weighed=short.whole)


def with_parameters_of_their_own(*, touching: float = 0.0) -> Trials:
    """The focal task and b share five parameters; c has five of its own and `touching` of the focal ones."""
    rng = np.random.default_rng(5)
    gradients = rng.normal(size=(40, 2, 3, 10)) + np.array([[1.0], [0.5], [2.0]])
    gradients[:, :, :2, 5:] = 0.0
    gradients[:, :, 2, :5] = touching
    return fresh_trials(products_of(gradients, np.full((40, 2, 3), 4.0)), focal="a")


def test_an_auxiliary_on_parameters_of_its_own_adds_no_length():
    trials = with_parameters_of_their_own()
    assert trials.apart.tolist() == [False, False, True]
    found = gain(trials, constant(0.5, 0.5, 0.0)).equal_length
    # Averaging a and b moves the focal parameters along the same direction, whatever c does to its own.
    assert float(found.gain) == pytest.approx(0.0, abs=1e-12)
    assert float(found.gain.high) == pytest.approx(0.0, abs=1e-12)
    alone = share_curve(trials, np.array([1.0])).equal_length
    without_b = gain(trials, constant(1.0, 0.0, 0.0)).equal_length.gain
    assert float(alone.values[0]) == pytest.approx(float(without_b))
    charged = gain(with_parameters_of_their_own(touching=1e-9), constant(0.5, 0.5, 0.0)).equal_length
    assert float(charged.gain) > 0.5  # a product that is not exactly zero is a shared parameter
