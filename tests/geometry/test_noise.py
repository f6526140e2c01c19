from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import FoldProducts, Gramian, Group, corrected_cosines, predicted_cosines, signal
from gradprobe.geometry.noise import HEAVY_TAILS
from tests.geometry._populations import pair_of_means, products_of, simulated

WIDTH = 40


def _unequal(rng: np.random.Generator, means: np.ndarray, steps: int) -> object:
    """Folds of one to seven rows."""
    rows = rng.integers(1, 8, size=(steps, 2, len(means))).astype(float)
    noise = rng.normal(size=(steps, 2, *means.shape)) / np.sqrt(rows)[..., None]
    return products_of(means + noise, rows)


def test_signal_noise_share_and_scale_are_the_known_ones():
    """Squared norm 4, noise of one row 40, eight rows: share 4 / 9, scale 10."""
    found = signal(simulated(np.random.default_rng(0), pair_of_means(0.2, WIDTH, length=2.0), steps=400))
    for estimate, true in (
        (found.squares, 4.0),
        (found.noise, 40.0),
        (found.share, 4 / 9),
        (found.scale, 10.0),
    ):
        assert (np.abs(estimate.values - true) < 4 * estimate.standard_error).all()
        assert (estimate.standard_error < 0.1 * true).all()
        assert (estimate.low < estimate.values).all()
        assert (estimate.values < estimate.high).all()
    assert found.rows.tolist() == [8.0, 8.0]


def test_unequal_folds_give_the_same_noise_and_one_size_for_all_would_not():
    folds = _unequal(np.random.default_rng(1), pair_of_means(0.2, WIDTH), steps=800)
    found = signal(folds)
    assert (np.abs(found.noise.values - WIDTH) < 4 * found.noise.standard_error).all()
    assert (found.noise.standard_error < 2.0).all()
    within = np.einsum("sxxii->sxi", folds.values).mean(axis=(0, 1))
    across = folds.values[:, 0, 1, [0, 1], [0, 1]].mean(axis=0)
    assert ((folds.rows.mean(axis=(0, 1)) * (within - across)) > WIDTH + 10).all()


def test_the_noise_scale_is_where_half_the_squared_gradient_is_signal():
    found = signal(simulated(np.random.default_rng(0), pair_of_means(0.2, WIDTH, length=2.0), steps=400))
    np.testing.assert_allclose(found.batch_for(), found.scale.values)
    np.testing.assert_allclose(found.share_at(8.0), found.share.values)
    assert found.share_at(float(found.batch_for(0.8)[0]))[0] == pytest.approx(0.8)
    with pytest.raises(InputError, match="share: expected a number between 0 and 1, got 1"):
        found.batch_for(1.0)


def test_without_signal_the_share_surrounds_zero_and_the_scale_is_undefined_or_unbounded():
    undefined = unbounded = 0
    for seed in range(30):
        found = signal(simulated(np.random.default_rng(seed), np.zeros((1, 20)), steps=40))
        if found.share.values[0] <= 0.0:
            undefined += 1
            assert np.isnan([found.scale.values[0], found.scale.low[0], found.scale.high[0]]).all()
            assert found.scale.reason == "no signal: a squared norm across folds is not positive"
            assert np.isnan(found.share_at(8.0)[0])
        elif found.share.low[0] <= 0.0:
            unbounded += 1
            assert found.scale.high[0] == np.inf
            assert 0.0 < found.scale.low[0] < found.scale.values[0]
    assert undefined > 5
    assert unbounded > 5


def test_a_task_that_never_has_both_folds_is_undefined():
    rows = np.full((12, 2, 2), 2.0)
    rows[:, 1, 1] = 0.0
    found = signal(products_of(np.random.default_rng(0).normal(size=(12, 2, 2, 3)), rows))
    assert np.isnan(found.share.values).tolist() == [False, True]
    assert found.scale.reasons[1,] == "no step of the window has it"


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_at_its_own_batch_size_the_model_meets_the_raw_cosine(shared):
    folds = simulated(np.random.default_rng(2), pair_of_means(0.4, WIDTH), steps=300, shared=shared)
    predicted = predicted_cosines(folds, focal="a")
    measured = corrected_cosines(folds, focal="a").raw
    assert predicted.values[0] == pytest.approx(measured.values[0], abs=0.01)
    assert predicted.standard_error[0] == pytest.approx(measured.standard_error[0], rel=0.2)


@pytest.mark.parametrize("shared", [0.0, 0.7])
@pytest.mark.parametrize("rows", [2, 16, 200])
def test_from_one_batch_size_it_predicts_the_raw_cosine_at_others(rows, shared):
    means = pair_of_means(-0.5, WIDTH)
    folds = simulated(np.random.default_rng(3), means, steps=600, rows=8, shared=shared)
    predicted = predicted_cosines(folds, focal="a", rows=2.0 * rows)
    noise = WIDTH / (2 * rows)
    true = (-0.5 + shared * noise) / (1 + noise)
    assert abs(predicted.values[0] - true) < 4 * predicted.standard_error[0]
    assert predicted.low[0] < predicted.values[0] < predicted.high[0]
    other = simulated(np.random.default_rng(4), means, steps=600, rows=rows, shared=shared)
    raw = corrected_cosines(other).raw
    assert abs(predicted.values[0] - raw.values[0]) < 4 * (
        predicted.standard_error[0] + raw.standard_error[0]
    )
    if shared and rows < 100:
        assert abs(true + 0.5 / (1 + noise)) > 4 * predicted.standard_error[0], "common noise matters here"


def test_rows_may_differ_between_tasks():
    means = pair_of_means(0.5, WIDTH)
    folds = simulated(np.random.default_rng(5), means, steps=800)
    found = predicted_cosines(folds, focal="b", rows=np.array([10.0, 40.0]))
    true = 0.5 / np.sqrt((1 + WIDTH / 10) * (1 + WIDTH / 40))
    assert abs(found.values[0] - true) < 4 * found.standard_error[0] < 0.1


@pytest.mark.parametrize("rows", [0.0, -1.0, np.ones(3)])
def test_batch_sizes_that_are_none_are_refused(rows):
    folds = simulated(np.random.default_rng(0), pair_of_means(0.5, 3), steps=9)
    with pytest.raises(InputError, match="rows: expected one positive number, or 2, one a task"):
        predicted_cosines(folds, focal="a", rows=rows)
    with pytest.raises(InputError, match="focal: expected one of"):
        predicted_cosines(folds, focal="x")


def test_a_task_without_any_gradient_has_no_share_and_warns_of_nothing():
    groups = tuple(Group(task, fold) for task in "ab" for fold in "AB")
    values = np.zeros((1, 4, 4))
    values[0, :2, :2] = np.eye(2) + 0.5
    found = signal(FoldProducts.of([Gramian(groups, ("l",), values, (4,) * 4, (9,))] * 12))
    assert found.share.values[0] == pytest.approx(0.5)
    assert np.isnan(found.share.values[1])


def drawn_shares(kind: str, *, draws: int = 60, steps: int = 60) -> tuple[float, float, float]:
    """Coverage of the signal share, that of lower bounds above zero, and how often tails are marked."""
    rng = np.random.default_rng(11)
    held = bare = marked = 0
    for _ in range(draws):
        shape = (steps, 2, 8, 1, 10)
        if kind == "gaussian":
            noise, variance = rng.normal(size=shape), 1.0
        else:
            noise = rng.standard_t(2.2, size=(*shape[:-1], 1)) * rng.normal(size=shape)
            variance = 2.2 / 0.2
        folds = products_of((noise + np.eye(10)[0]).mean(axis=2), np.full((steps, 2, 1), 8.0))
        found = signal(folds)
        truth = 1.0 / (1.0 + 10 * variance / 16)
        held += bool(found.share.low[0] <= truth <= found.share.high[0])
        bare += bool(found.share.low[0] > 0.0 and found.share.low[0] <= truth <= found.share.high[0])
        marked += bool(found.heavy[0])
        bounded = np.isfinite(found.share.high[0])
        if bounded:
            assert found.share.reasons == ({(0,): HEAVY_TAILS} if found.heavy[0] else {})
        assert np.isinf(found.noise.high[0]) == found.heavy[0]
        if found.heavy[0]:
            assert found.scale.high[0] == np.inf
    return held / draws, bare / draws, marked / draws


def test_where_a_few_rows_carry_the_noise_the_share_is_only_bounded_from_above_and_covers():
    held, bare, marked = drawn_shares("heavy")
    assert marked > 0.9
    assert held >= 0.95
    assert bare < 0.2, "the lower bounds that are left hold the truth seldom"


def test_gaussian_noise_is_not_marked_and_its_share_has_both_bounds():
    held, _, marked = drawn_shares("gaussian")
    assert marked == 0.0
    assert held >= 0.9
