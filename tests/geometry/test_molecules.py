from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gradprobe.errors import InputError
from gradprobe.geometry import molecule_effects


def sums(effects):
    """Visits, sums and sums of squares [k, 3] of effects [k, visits]."""
    return np.stack([np.full(len(effects), effects.shape[1]), effects.sum(1), (effects**2).sum(1)], axis=1)


NO_NOISE = np.array([1.0, 0.0, 0.0])


def run(rng, *, true, pool, visits=40, size=1.0):
    """Sums of the whole, of two halves and of random signs.

    Effects on a half are the truth, what its held-out rows add at every visit, and noise.
    """
    halves = [
        true[:, None] + pool * rng.normal(size=(len(true), 1)) + size * rng.normal(size=(len(true), visits))
        for _ in range(2)
    ]
    signs = pool / 2**0.5 * rng.normal(size=halves[0].shape)
    return sums((halves[0] + halves[1]) / 2), sums(halves[0]), sums(halves[1]), sums(signs)


def test_means_intervals_and_totals_are_those_of_the_visits():
    rng = np.random.default_rng(0)
    effects = rng.normal(0.3, 1.0, size=(4, 12))
    own = sums(effects)
    found = molecule_effects(own, own, own, NO_NOISE * own, probability=0.25)
    np.testing.assert_allclose(found.means, effects.mean(1))
    for k in range(4):
        low, high = stats.t.interval(0.95, 11, effects[k].mean(), stats.sem(effects[k]))
        assert (found.low[k], found.high[k]) == pytest.approx((low, high))
        sign = np.sign(effects[k].mean())
        side = "greater" if sign > 0 else "less"
        assert found.p_values[k] == pytest.approx(
            stats.ttest_1samp(effects[k], 0.0, alternative=side).pvalue, rel=1e-6
        )
    np.testing.assert_allclose(found.totals, effects.sum(1) * 4)
    assert found.visits.tolist() == [12] * 4


@pytest.mark.parametrize("turns", [1.0, 0.25])
def test_the_noise_of_the_held_out_rows_widens_intervals_and_tests(turns):
    """From the definition, for one molecule: a half of the rows has twice the noise of all."""
    rng = np.random.default_rng(1)
    whole, a, b, noise = run(rng, true=np.zeros(30), pool=0.7)
    found = molecule_effects(whole, a, b, noise, turns=turns)
    rows = turns * noise[5, 2] / 40
    visits = [(own[5, 2] - own[5, 1] ** 2 / 40) / 39 / 40 for own in (whole, b)]
    t = np.sign(a[5, 1]) * b[5, 1] / 40 / (visits[1] + 2 * rows) ** 0.5
    assert found.p_values[5] == pytest.approx(stats.t.sf(t, 39), rel=1e-9)
    half = stats.t.ppf(0.975, 39) * (visits[0] + rows) ** 0.5
    assert found.high[5] - found.low[5] == pytest.approx(2 * half)


@pytest.mark.parametrize("pool", [0.0, 0.3, 2.0], ids=["fresh rows", "few fixed rows", "very few fixed rows"])
def test_false_discoveries_stay_below_the_rate_also_on_the_same_held_out_rows_again_and_again(pool):
    rng = np.random.default_rng(2)
    share, runs = [], 40
    for _ in range(runs):
        true = np.concatenate([np.zeros(270), np.repeat([3.0, -3.0], 15)]) * max(1.0, pool)
        verdicts = np.array(molecule_effects(*run(rng, true=true, pool=pool)).verdicts)
        wrong = ((verdicts == "helps") & (true <= 0)) | ((verdicts == "harms") & (true >= 0))
        said = (verdicts == "helps") | (verdicts == "harms")
        share.append(wrong.sum() / max(said.sum(), 1))
    assert np.mean(share) <= 0.05


def test_large_effects_are_discovered_with_their_sign():
    rng = np.random.default_rng(3)
    true = np.concatenate([np.zeros(270), np.repeat([3.0, -3.0], 15)])
    verdicts = molecule_effects(*run(rng, true=true, pool=0.1)).verdicts
    assert verdicts[270:] == ("helps",) * 15 + ("harms",) * 15


def test_without_their_noise_fixed_held_out_rows_would_be_taken_for_effects():
    """The planted mistake: errors over visits alone."""
    whole, a, b, noise = run(np.random.default_rng(4), true=np.zeros(300), pool=1.0)
    verdicts = molecule_effects(whole, a, b, NO_NOISE * noise).verdicts
    assert sum(verdict in ("helps", "harms") for verdict in verdicts) > 60


def test_ranking_and_testing_on_one_half_would_be_taken_for_effects_too():
    """The planted mistake: the half that chose the sign also tests it."""
    rng = np.random.default_rng(5)
    honest, cheated = 0, 0
    for _ in range(20):
        whole, a, b, noise = run(rng, true=np.zeros(500), pool=0.0, visits=6)
        honest += (molecule_effects(whole, a, b, noise).p_values < 0.05).sum()
        cheated += (molecule_effects(whole, a, a, noise).p_values < 0.05).sum()
    assert honest / 10_000 <= 0.055
    assert cheated / 10_000 > 0.08


def test_molecules_with_too_few_visits_or_no_effect_are_not_testable():
    own = sums(np.random.default_rng(6).normal(1.0, 0.1, size=(3, 8)))
    few, none = np.array([[4.0, 4.0, 4.1]]), np.array([[9.0, 0.0, 0.0]])
    whole = np.concatenate([own, few, none, np.zeros((1, 3))])
    found = molecule_effects(whole, whole, whole, NO_NOISE * whole)
    assert found.verdicts == ("helps",) * 3 + ("not testable",) * 3
    assert found.reasons[:3] == ("",) * 3
    assert "fewer than 5 visits" in found.reasons[3]
    assert "no effect on the held-out rows" in found.reasons[4]
    assert np.isnan(found.p_values[3:]).all()
    assert np.isnan(found.means[5])


def test_candidates_are_the_strongest_on_the_ranking_half():
    rng = np.random.default_rng(7)
    true = np.array([-3.0, 3.0, *np.zeros(17), 3.0, -3.0])
    found = molecule_effects(*run(rng, true=true, pool=0.0), candidates=4)
    assert np.flatnonzero(~np.isnan(found.p_values)).tolist() == [0, 1, 19, 20]
    assert found.reasons[10] == "not among the candidates"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 0.0}, "probability: expected"),
        ({"turns": 1.5}, "turns: expected"),
        ({"rate": 1.0}, "rate: expected"),
        ({"least_visits": 1}, "least_visits: expected 2 or more"),
        ({"candidates": 0}, "candidates: expected"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        molecule_effects(*[np.ones((2, 3))] * 4, **options)


def test_sums_of_other_shapes_are_refused():
    with pytest.raises(InputError, match="expected equal shapes"):
        molecule_effects(np.ones((2, 3)), np.ones((3, 3)), np.ones((2, 3)), np.ones((2, 3)))
