from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from gradprobe.geometry import discoveries, mean_over_steps
from gradprobe.geometry.intervals import FEWEST_BLOCKS, Means, ratio, window_means


def _alternating(steps: int, seed: int = 2) -> np.ndarray:
    """Numbers whose neighbours are anticorrelated, so that nothing asks for long blocks."""
    values = np.random.default_rng(seed).normal(size=steps)
    return values + 0.5 * (-1.0) ** np.arange(steps)


def _autoregressive(rng: np.random.Generator, steps: int, rho: float) -> np.ndarray:
    values = [rng.normal()]
    for _ in range(steps - 1):
        values.append(rho * values[-1] + np.sqrt(1 - rho**2) * rng.normal())
    return np.array(values)


def test_with_a_block_a_step_the_interval_is_that_of_the_t_test():
    values = _alternating(20)
    found = mean_over_steps(values, np.ones(20))
    reference = stats.ttest_1samp(values, 0.0)
    low, high = reference.confidence_interval(0.95)
    assert int(found.blocks) == 20
    assert (float(found.low), float(found.high)) == pytest.approx((low, high), rel=1e-12)
    assert float(found.p_values) == pytest.approx(reference.pvalue, rel=1e-12)
    assert float(found.standard_error) == pytest.approx(values.std(ddof=1) / np.sqrt(20))


def test_longer_windows_leave_out_one_block_of_neighbours_at_a_time():
    values = _alternating(100)
    edges = [int(e) for e in np.linspace(0, 100, 25)]
    without = [np.delete(values, range(a, b)).mean() for a, b in pairwise(edges)]
    spread = 23 / 24 * sum((w - values.mean()) ** 2 for w in without)
    found = mean_over_steps(values, np.ones(100))
    assert int(found.blocks) == 24
    assert float(found.standard_error) == pytest.approx(np.sqrt(spread), rel=1e-12)


def test_steps_without_the_quantity_leave_the_mean_alone_and_blocks_without_it_do_not_count():
    values, there = _alternating(96), np.ones(96)
    there[:48] = 0.0
    found = mean_over_steps(values * there, there)
    alone = mean_over_steps(values[48:], np.ones(48))
    assert float(found) == pytest.approx(values[48:].mean())
    assert int(found.blocks) <= 12
    assert float(found.standard_error) == pytest.approx(float(alone.standard_error), rel=0.5)


def test_a_step_may_count_several_times_or_in_part():
    sums, counts = np.array([2.0, 3.0, 0.0, 9.0, 1.0, 4.0]), np.array([1.0, 2.0, 0.0, 2.0, 1.0, 2.0])
    assert float(mean_over_steps(sums, counts)) == pytest.approx(19 / 8)


def test_autocorrelated_steps_get_fewer_and_longer_blocks_and_independent_ones_keep_many():
    rng = np.random.default_rng(0)
    blocks = {
        rho: np.mean(
            [int(mean_over_steps(_autoregressive(rng, 400, rho), np.ones(400)).blocks) for _ in range(20)]
        )
        for rho in (0.0, 0.9)
    }
    assert blocks[0.0] > 21
    assert blocks[0.9] < 16


def test_intervals_of_autocorrelated_means_cover_where_those_of_independent_steps_do_not():
    rng = np.random.default_rng(1)
    covered, naive = 0, 0
    for _ in range(300):
        values = _autoregressive(rng, 300, 0.8)
        found = mean_over_steps(values, np.ones(300))
        covered += bool(found.low <= 0.0 <= found.high)
        naive += abs(values.mean()) <= 1.96 * values.std(ddof=1) / np.sqrt(300)
    assert covered / 300 > 0.90
    assert naive / 300 < 0.60


def test_a_window_too_short_for_its_autocorrelation_is_marked():
    rng = np.random.default_rng(0)
    drifting = [bool(mean_over_steps(_autoregressive(rng, 100, 0.97), np.ones(100)).short) for _ in range(30)]
    steady = [bool(mean_over_steps(rng.normal(size=30), np.ones(30)).short) for _ in range(60)]
    assert np.mean(drifting) > 0.8
    assert np.mean(steady) < 0.1


def test_no_step_and_few_steps_are_undefined_with_different_reasons():
    nothing = mean_over_steps(np.zeros(9), np.zeros(9))
    assert np.isnan([nothing.values, nothing.low, nothing.high]).all()
    assert nothing.reason == "no step of the window has it"
    few = mean_over_steps(np.arange(4.0), np.ones(4))
    assert float(few) == 1.5
    assert np.isnan([few.low, few.high, few.p_values]).all()
    assert few.reason == f"an interval takes at least {FEWEST_BLOCKS} blocks of steps"
    assert not bool(few.excludes_zero)


def test_an_entry_is_an_estimate_of_its_own_with_its_own_reason():
    sums, counts = np.stack([_alternating(30), np.zeros(30)], axis=1), np.repeat([[1.0, 0.0]], 30, axis=0)
    both = mean_over_steps(sums, counts)
    first, second = both.at(0), both.at(1)
    alone = mean_over_steps(sums[:, 0], counts[:, 0])
    for name in ("values", "low", "high", "standard_error", "blocks", "short"):
        assert getattr(first, name).shape == ()
        assert getattr(first, name) == getattr(alone, name)
    assert (first.reasons, second.reasons) == ({}, {(): "no step of the window has it"})


def test_parts_of_a_window_share_their_blocks_so_their_errors_correlate():
    values = _alternating(60)
    both = np.stack([values, -2.0 * values], axis=-1)
    means = window_means(both, np.ones((60, 2)))
    assert means.covariance[0, 1] == pytest.approx(-2.0 * means.covariance[0, 0])
    summed = means.transformed(np.array([[2.0, 1.0]]))
    assert summed.values[0] == pytest.approx(0.0, abs=1e-12)
    assert summed.covariance[0, 0] == pytest.approx(0.0, abs=1e-12)


def _means(values: list[float], covariance: list[list[float]], blocks: int = 20) -> Means:
    return Means(np.array(values), np.array(covariance), np.array(blocks), np.array(False))


def test_the_interval_of_a_ratio_holds_every_value_that_cannot_be_told_from_it():
    means = _means([0.5, 1.0], [[0.04, 0.01], [0.01, 0.03]])
    found = ratio(means)
    ratios = np.linspace(-5, 5, 200_001)
    errors = np.sqrt(0.04 - 2 * 0.01 * ratios + 0.03 * ratios**2)
    kept = ratios[np.abs(0.5 - ratios) <= stats.t.ppf(0.975, 19) * errors]
    assert (float(found.low), float(found.high)) == pytest.approx((kept.min(), kept.max()), abs=1e-4)
    assert float(found) == 0.5
    assert float(found.high) - 0.5 > 0.5 - float(found.low), "an uncertain denominator makes it lopsided"


def test_a_denominator_that_may_be_zero_bounds_nothing():
    found = ratio(_means([0.5, 1.0], [[0.04, 0.0], [0.0, 0.3]]))
    assert (float(found.low), float(found.high)) == (-np.inf, np.inf)
    assert found.reason == "the denominator is not distinguishable from zero, so no value is excluded"


def step_up(p_values, rate):
    """Benjamini & Hochberg's procedure as they state it: reject up to the last one below the line."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    last = max((k for k, i in enumerate(order, 1) if p_values[i] <= rate * k / len(order)), default=0)
    return [i in order[:last] for i in range(len(p_values))]


def test_discoveries_are_those_of_the_step_up_procedure():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(12) ** rng.uniform(1, 6)
        np.testing.assert_array_equal(discoveries(p, 0.1), step_up(p, 0.1))


def test_undefined_tests_are_no_discoveries_and_do_not_count_among_them():
    p = np.array([0.02, np.nan, 0.04, np.nan, 0.9])
    assert discoveries(p, 0.06).tolist() == [True, False, True, False, False]
    assert discoveries(np.full(3, np.nan)).tolist() == [False] * 3
    assert discoveries(np.array([])).size == 0


def test_discoveries_step_up_over_a_p_value_above_its_own_line():
    assert discoveries(np.array([0.03, 0.045, 0.04]), 0.05).tolist() == [True, True, True]
