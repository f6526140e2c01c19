from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import FoldProducts, corrected_cosines, cosines
from tests.geometry._populations import pair_of_means, products_of, simulated


def test_without_noise_raw_and_corrected_cosines_are_the_true_one():
    folds = simulated(np.random.default_rng(0), pair_of_means(-0.4, 6), steps=30, noise=0.0)
    found = corrected_cosines(folds)
    for estimate in (found.cosines, found.raw):
        assert estimate.values[0] == pytest.approx(-0.4)
        assert (estimate.low[0], estimate.high[0]) == pytest.approx((-0.4, -0.4))
    assert found.trusted.all()
    assert found.products.values[0] == pytest.approx(-0.4)
    assert found.steps.tolist() == [30]


def test_noise_dilutes_the_raw_cosine_and_not_the_corrected_one():
    """Signal share 1 / (1 + 40 / 8) = 1/6 and true cosine 0.6: raw 0.1."""
    folds = simulated(np.random.default_rng(0), pair_of_means(0.6, 40), steps=600)
    found = corrected_cosines(folds)
    assert found.raw.values[0] == pytest.approx(0.1, abs=4 * found.raw.standard_error[0])
    assert found.raw.high[0] < 0.2
    assert found.cosines.values[0] == pytest.approx(0.6, abs=4 * found.cosines.standard_error[0])
    assert found.cosines.standard_error[0] < 0.08
    assert found.trusted[0]
    assert found.nonzero[0]


def test_noise_of_shared_molecules_does_not_make_tasks_look_aligned():
    folds = simulated(np.random.default_rng(1), pair_of_means(0.0, 40), steps=600, shared=0.9)
    found = corrected_cosines(folds)
    assert found.raw.low[0] > 0.6
    assert abs(found.cosines.values[0]) < 4 * found.cosines.standard_error[0] < 0.5


def test_it_is_the_ratio_of_sums_over_steps_by_loops():
    rng = np.random.default_rng(2)
    gradients, rows = rng.normal(size=(25, 2, 3, 4)) + 1.0, rng.integers(1, 5, size=(25, 2, 3)).astype(float)
    found = corrected_cosines(products_of(gradients, rows))
    assert found.pairs == (("a", "b"), ("a", "c"), ("b", "c"))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        total = {}
        for p, q in ((i, j), (i, i), (j, j)):
            total[p, q] = sum(s[0, p] @ s[1, q] + s[1, p] @ s[0, q] for s in gradients)
        expected = total[i, j] / np.sqrt(total[i, i] * total[j, j])
        assert found.cosines.values[k] == pytest.approx(expected)
        assert found.products.values[k] == pytest.approx(total[i, j] / 50)


def test_the_mean_of_per_step_ratios_is_biased_and_is_not_what_is_given():
    folds = simulated(np.random.default_rng(3), pair_of_means(0.5, 10), steps=4000, rows=8)
    sums, _ = folds.across
    squares = sums[:, 0, 0] * sums[:, 1, 1]
    good = (sums[:, 0, 0] > 0) & (sums[:, 1, 1] > 0)
    per_step = sums[good, 0, 1] / np.sqrt(squares[good])
    found = corrected_cosines(folds).cosines
    assert abs(found.values[0] - 0.5) < 4 * found.standard_error[0]
    assert abs(np.median(per_step) - 0.5) > 0.03
    assert abs(per_step.mean() - 0.5) > 4 * per_step.std() / np.sqrt(good.sum())


def test_a_norm_without_signal_leaves_the_cosine_undefined_and_the_product_tested():
    for seed in range(20):
        folds = simulated(np.random.default_rng(seed), np.zeros((2, 30)), steps=40)
        found = corrected_cosines(folds)
        if np.isnan(found.cosines.values[0]):
            break
    assert found.cosines.reasons == {(0,): "no signal: a squared norm across folds is not positive"}
    assert np.isnan(found.cosines.low[0])
    assert not found.trusted[0]
    assert found.raw.reasons == {}
    assert 0.0 <= found.p_values[0] <= 1.0
    assert found.products.low[0] < 0.0 < found.products.high[0]


def test_norms_that_may_be_zero_leave_the_interval_without_bounds():
    folds = simulated(np.random.default_rng(0), pair_of_means(0.5, 60, length=0.45), steps=60)
    found = corrected_cosines(folds)
    assert not np.isnan(found.cosines.values[0])
    assert found.cosines.low[0] == -np.inf
    assert "not distinguishable from zero" in found.cosines.reason
    assert not found.trusted[0]


def test_pure_noise_is_told_from_zero_no_more_often_than_the_rate():
    rejected = [
        corrected_cosines(simulated(np.random.default_rng(seed), np.zeros((2, 8)), steps=48)).p_values[0]
        < 0.05
        for seed in range(400)
    ]
    assert np.mean(rejected) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_false_discovery_rate_is_over_the_pairs_asked_for():
    means = np.vstack([pair_of_means(0.9, 40), np.zeros((4, 40))])
    found = corrected_cosines(simulated(np.random.default_rng(5), means, steps=200))
    assert found.nonzero[found.pairs.index(("a", "b"))]
    assert found.nonzero.sum() <= 2
    focal = corrected_cosines(simulated(np.random.default_rng(5), means, steps=200), focal="c")
    assert focal.pairs == (("c", "a"), ("c", "b"), ("c", "d"), ("c", "e"), ("c", "f"))
    k = found.pairs.index(("a", "c"))
    assert focal.cosines.values[0] == pytest.approx(found.cosines.values[k], nan_ok=True)
    assert focal.p_values[0] == pytest.approx(found.p_values[k])


def test_only_steps_at_which_both_tasks_are_present_count():
    """The focal gradient turns round halfway, and the auxiliary is there in the second half only."""
    path = np.zeros((40, 2, 3))
    path[:20, 0, 0], path[20:, 0, 1], path[:, 1, 1] = 5.0, 1.0, 1.0
    rows = np.full((40, 2, 2), 3.0)
    rows[:20, :, 1] = 0.0
    found = corrected_cosines(products_of(np.broadcast_to(path[:, None], (40, 2, 2, 3)), rows))
    assert found.cosines.values[0] == pytest.approx(1.0)
    assert found.raw.values[0] == pytest.approx(1.0)
    assert found.steps.tolist() == [20]


def test_tasks_that_never_meet_are_undefined():
    rows = np.full((20, 2, 2), 3.0)
    rows[:10, :, 0] = rows[10:, :, 1] = 0.0
    found = corrected_cosines(products_of(np.ones((20, 2, 2, 3)), rows))
    assert np.isnan(found.cosines.values[0])
    assert found.cosines.reason == "no step of the window has it"
    assert not found.nonzero.any()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_the_losses_does_not_matter(scale):
    folds = simulated(np.random.default_rng(0), pair_of_means(0.3, 10), steps=50)
    own, scaled = (
        corrected_cosines(FoldProducts(folds.tasks, folds.values * factor, folds.rows))
        for factor in (1.0, scale**2)
    )
    for one, other in ((own.cosines, scaled.cosines), (own.raw, scaled.raw)):
        np.testing.assert_allclose([one.values, one.low, one.high], [other.values, other.low, other.high])
    np.testing.assert_allclose(own.p_values, scaled.p_values)


def test_raw_is_the_ratio_of_sums_of_whole_minibatches():
    gradients = np.random.default_rng(1).normal(size=(30, 2, 2, 5))
    folds = products_of(gradients, np.broadcast_to([[1.0, 2.0], [3.0, 2.0]], (30, 2, 2)))
    whole = np.stack(
        [(gradients[:, 0, 0] + 3 * gradients[:, 1, 0]) / 4, gradients[:, :, 1].mean(axis=1)], axis=1
    )
    expected = cosines(np.einsum("tid,tjd->ij", whole, whole)).values[0, 1]
    assert corrected_cosines(folds).raw.values[0] == pytest.approx(expected)


def test_one_task_and_an_unknown_focal_task_are_refused():
    with pytest.raises(InputError, match=r"expected at least two tasks, got \['a'\]"):
        corrected_cosines(products_of(np.ones((9, 2, 1, 2)), np.ones((9, 2, 1))))
    with pytest.raises(InputError, match=r"focal: expected one of \['a', 'b'\], got 'x'"):
        corrected_cosines(products_of(np.ones((9, 2, 2, 2)), np.ones((9, 2, 2))), focal="x")


def test_where_molecules_come_back_intervals_hold_for_these_and_not_for_the_population():
    """30 molecules of a population of cosine zero, gone round 27 times; parameters frozen."""
    own, population, replicates = 0, 0, 60
    for seed in range(replicates):
        rng = np.random.default_rng([7, seed])
        rows = pair_of_means(0.0, 12) + rng.normal(size=(30, 2, 12))
        orders = np.concatenate([rng.permutation(30) for _ in range(27)]).reshape(-1, 2, 5)
        found = corrected_cosines(products_of(rows[orders].mean(axis=2), np.full((81, 2, 2), 5.0)))
        total = rows.sum(axis=0)
        products = total @ total.T - np.einsum("nid,njd->ij", rows, rows)  # of distinct molecules
        inside = found.cosines.low[0] <= cosines(products).values[0, 1] <= found.cosines.high[0]
        own += int(inside)
        population += int(found.cosines.low[0] <= 0.0 <= found.cosines.high[0])
    assert own >= 0.9 * replicates
    assert population <= 0.8 * replicates
