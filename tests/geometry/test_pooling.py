from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gradprobe.errors import InputError
from gradprobe.geometry import affinities, fresh_trials, gain, mean_over_steps, share_curve
from gradprobe.geometry.intervals import FEW_BLOCKS, NO_STEP, Estimate
from gradprobe.geometry.pooling import pooled, pooled_affinities, pooled_curve, pooled_gain
from tests.geometry._populations import products_of


def estimate(value, error, blocks=24):
    value, error = np.asarray(value, dtype=float), np.asarray(error, dtype=float)
    return Estimate(
        value,
        low=value - error,
        high=value + error,
        standard_error=error,
        blocks=np.full(value.shape, blocks),
        short=np.zeros(value.shape, dtype=bool),
    )


def run(rng, mean, steps):
    return mean_over_steps(rng.normal(mean, 1.0, size=steps), np.ones(steps))


def test_one_run_stays_as_it_is():
    own = run(np.random.default_rng(0), 0.3, 60)
    found = pooled([own], [60.0])
    for name in ("values", "low", "high", "standard_error", "blocks", "p_values"):
        assert getattr(found, name) == pytest.approx(getattr(own, name)), name
    assert (int(found.runs), bool(found.agree), bool(found.apart)) == (1, True, False)


def test_errors_of_runs_that_agree_add_up_with_satterthwaites_degrees_of_freedom():
    found = pooled([estimate(1.0, 0.2, 24), estimate(1.02, 0.1, 8)], [300.0, 100.0])
    variance = np.array([0.75 * 0.2, 0.25 * 0.1]) ** 2
    freedom = variance.sum() ** 2 / (variance[0] ** 2 / 23 + variance[1] ** 2 / 7)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance.sum())
    assert float(found) == pytest.approx(0.75 * 1.0 + 0.25 * 1.02)
    assert float(found.standard_error) == pytest.approx(np.sqrt(variance.sum()))
    assert (float(found.freedom), int(found.blocks)) == (pytest.approx(freedom), int(freedom) + 1)
    assert float(found.between) == 0.0
    assert (float(found.low), float(found.high)) == pytest.approx((1.005 - half, 1.005 + half))


def test_runs_without_errors_of_their_own_have_their_spread_by_the_median_of_chi_square():
    values = [1.0, 2.0, 3.0]
    found = pooled([estimate(value, 1e-9) for value in values], [1.0, 1.0, 1.0])
    scale = np.std(values, ddof=1) / np.sqrt(stats.chi2.median(2) / 2)
    assert float(found.between) == pytest.approx(scale)
    wanted = stats.t.interval(0.95, 2, loc=2.0, scale=scale / np.sqrt(3))
    assert bool(found.apart)
    assert (float(found.low), float(found.high)) == pytest.approx(wanted)


def test_an_interval_moves_smoothly_as_one_run_moves_away():
    gaps = np.arange(0.0, 0.12, 0.0005)
    found = [pooled([estimate(0.0, 0.02), estimate(gap, 0.02)], [1.0, 1.0]) for gap in gaps]
    widths = np.array([float(each.high - each.low) for each in found])
    assert bool(found[-1].apart), "the run crosses the line at which intervals used to jump"
    assert not bool(found[0].apart)
    assert (np.diff(widths) >= -1e-12).all()
    # The old switch made the width grow by 0.65 within one step of this grid.
    assert np.diff(widths).max() < 0.012


def test_the_variance_between_runs_is_added_run_by_run_with_the_weights_given():
    values, errors = np.array([0.0, 2.0, 5.0]), np.array([0.3, 0.5, 0.8])
    weights = np.array([0.2, 0.3, 0.5])
    found = pooled([estimate(v, e) for v, e in zip(values, errors, strict=True)], weights)
    mean = weights @ values
    middle = stats.chi2.median(2) / 2
    # The moment equation, solved by bisection instead of in closed form.
    low, high = 0.0, 100.0
    for _ in range(200):
        tau = (low + high) / 2
        expected = middle * sum(w * (1 - w) * (e**2 + tau**2) for w, e in zip(weights, errors, strict=True))
        low, high = (tau, high) if expected < weights @ (values - mean) ** 2 else (low, tau)
    assert float(found.between) == pytest.approx(tau)
    assert float(found.standard_error) == pytest.approx(np.sqrt((weights**2) @ (errors**2 + tau**2)))


@pytest.mark.parametrize("apart", [0.0, 1.0, 4.0])
def test_intervals_of_three_runs_cover_the_mean_over_runs_however_far_they_are_apart(apart):
    rng = np.random.default_rng(7)
    errors = np.sqrt(rng.chisquare(23, size=(3, 3000)) / 23)
    values = rng.normal(size=(3, 3000)) * np.hypot(1.0, apart)
    found = pooled([estimate(v, e) for v, e in zip(values, errors, strict=True)], [1.0, 1.0, 1.0])
    covered = np.mean((found.low <= 0.0) & (found.high >= 0.0))
    assert 0.92 <= covered <= 0.985


def test_cochrans_q_is_held_against_chi_square():
    line = stats.chi2.ppf(0.95, 1)
    gap = np.sqrt(2.0 * line)  # Q of two runs is the square of their gap over the sum of variances
    assert not pooled([estimate(0.0, 1.0), estimate(0.99 * gap, 1.0)], [1.0, 1.0]).apart
    assert pooled([estimate(0.0, 1.0), estimate(1.01 * gap, 1.0)], [1.0, 1.0]).apart


def test_each_entry_takes_the_runs_that_have_it():
    nan = np.nan
    found = pooled(
        [estimate([1.0, nan, nan, 4.0, 0.0], [0.1, nan, nan, nan, 0.0]),
         estimate([2.0, nan, 3.0, 2.0, 0.0], [nan, nan, 0.1, nan, 0.0])],
        [1.0, 1.0],
    )  # fmt: skip
    assert found.values == pytest.approx([1.0, nan, 3.0, 3.0, 0.0], nan_ok=True)
    assert found.runs.tolist() == [1, 0, 1, 2, 2]
    assert found.reasons == {(1,): NO_STEP, (3,): FEW_BLOCKS}
    assert (found.low[4], found.high[4]) == (0.0, 0.0)
    assert found.agree.tolist() == [True, False, True, True, True]
    assert float(found.at(2)) == 3.0


def test_agreement_is_about_the_sign_of_every_run():
    assert pooled([estimate(1.0, 0.3), estimate(0.1, 0.3)], [1.0, 1.0]).agree
    assert not pooled([estimate(1.0, 0.3), estimate(-0.1, 0.3)], [1.0, 1.0]).agree


def test_p_values_above_are_one_sided():
    found = pooled([estimate([0.5, -0.5], [0.2, 0.2])], [1.0])
    wanted = stats.t.sf([2.5, -2.5], 23)
    assert found.p_above == pytest.approx(wanted)


def test_intervals_of_pooled_runs_cover():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = pooled([run(rng, 0.3, steps) for steps in (40, 60, 100)], [40.0, 60.0, 100.0])
        held += bool(found.low <= 0.3 <= found.high)
    assert 0.92 <= held / 400 <= 0.99


def test_as_many_weights_as_runs_are_wanted():
    with pytest.raises(InputError, match="estimates, weights"):
        pooled([estimate(1.0, 0.1)], [1.0, 2.0])
    with pytest.raises(InputError, match="at least one run"):
        pooled([], [])


def test_gains_curves_and_affinities_are_pooled_entry_by_entry():
    rng = np.random.default_rng(2)
    windows = [products_of(rng.normal(size=(30, 2, 3, 4)) + 0.4, np.full((30, 2, 3), 4.0)) for _ in range(2)]
    trials = [fresh_trials(window, focal="a") for window in windows]
    gains = [gain(each, lambda g, p, f: np.eye(3)[f]) for each in trials]
    found = pooled_gain(gains, [30.0, 10.0])
    wanted = pooled([g.equal_rate.gain_over_control for g in gains], [30.0, 10.0])
    assert float(found.equal_rate.gain_over_control) == pytest.approx(float(wanted))
    assert (found.trials, found.undefined, found.focal_share) == (120, 0, 1.0)
    curves = [share_curve(each, np.array([0.0, 0.5])) for each in trials]
    joined = pooled_curve(curves, [30.0, 10.0])
    assert joined.equal_length.values == pytest.approx(
        0.75 * curves[0].equal_length.values + 0.25 * curves[1].equal_length.values
    )
    both = [affinities(each) for each in trials]
    ranked = pooled_affinities(both, [30.0, 10.0])
    assert ranked.effects.values == pytest.approx(
        0.75 * both[0].effects.values + 0.25 * both[1].effects.values
    )
    assert not ranked.nonzero[0]
