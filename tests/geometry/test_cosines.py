from __future__ import annotations

import math

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import cosines, focal_cosines, norm_ratios, norms, update_cosine
from tests._oracles import cosine


def _jacobian(tasks: int = 4, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(tasks, width)) * np.logspace(-2, 2, tasks)[:, None]


def _length(row: np.ndarray) -> float:
    return math.sqrt(sum(x * x for x in row))


def test_norms_are_lengths_of_the_rows():
    J = _jacobian()
    np.testing.assert_allclose(norms(J @ J.T), [_length(row) for row in J], rtol=1e-12)


def test_a_diagonal_that_rounding_made_negative_is_a_zero_norm():
    assert norms(np.array([[-1e-20]]))[0] == 0.0


def test_cosines_are_those_of_the_rows():
    J = _jacobian()
    expected = [[cosine(list(a), list(b)) for b in J] for a in J]
    found = cosines(J @ J.T)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert (found.reasons, found.reason) == ({}, "")


@pytest.mark.parametrize("focal", range(4))
def test_focal_cosines_skip_the_focal_task_and_keep_the_order(focal):
    J = _jacobian()
    expected = [cosine(list(J[focal]), list(J[k])) for k in range(4) if k != focal]
    np.testing.assert_allclose(focal_cosines(J @ J.T, focal).values, expected, atol=1e-12)


def test_focal_cosines_are_not_centred_on_the_mean_gradient():
    J = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_allclose(focal_cosines(J @ J.T, 0).values, [math.sqrt(0.5)] * 2)


@pytest.mark.parametrize("focal", range(4))
def test_norm_ratios_are_focal_over_auxiliary(focal):
    J = _jacobian()
    expected = [_length(J[focal]) / _length(J[k]) for k in range(4) if k != focal]
    np.testing.assert_allclose(norm_ratios(J @ J.T, focal).values, expected, rtol=1e-12)


def test_leading_axes_are_layers_measured_one_by_one():
    layers = np.stack([J @ J.T for J in (_jacobian(seed=1), _jacobian(seed=2))])
    for read in (lambda G: cosines(G).values, lambda G: focal_cosines(G, 1).values, norms):
        np.testing.assert_allclose(read(layers), np.stack([read(layer) for layer in layers]), rtol=1e-12)


def test_a_zero_gradient_has_no_cosine_and_the_reason_says_so():
    J = np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    found = cosines(J @ J.T)
    undefined = {(i, j) for i in range(3) for j in range(3) if 1 in (i, j)}
    assert {tuple(map(int, at)) for at in np.argwhere(np.isnan(found.values))} == undefined
    assert set(found.reasons) == undefined
    assert found.reason == "a zero gradient has no direction"
    assert found.values[0, 2] == pytest.approx(0.8)


def test_a_zero_auxiliary_leaves_the_other_focal_cosines_defined():
    J = np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    found = focal_cosines(J @ J.T, 0)
    assert np.isnan(found.values).tolist() == [True, False]
    assert list(found.reasons) == [(0,)]


def test_a_zero_focal_gradient_leaves_no_focal_cosine_defined():
    J = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]])
    found = focal_cosines(J @ J.T, 0)
    assert np.isnan(found.values).all()
    assert list(found.reasons) == [(0,), (1,)]


def test_norm_ratios_are_undefined_over_a_zero_auxiliary_and_zero_for_a_zero_focal_task():
    J = np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    found = norm_ratios(J @ J.T, 0)
    assert np.isnan(found.values).tolist() == [True, False]
    assert found.reasons == {(0,): "the auxiliary gradient is zero"}
    assert norm_ratios(J @ J.T, 1).values.tolist() == [0.0, 0.0]


def test_rounding_never_puts_a_cosine_beyond_one():
    rng = np.random.default_rng(0)
    for _ in range(200):
        row = rng.normal(size=3)
        J = np.stack([row, row * rng.uniform(0.1, 10), -row * rng.uniform(0.1, 10)])
        assert np.abs(cosines(J @ J.T).values).max() <= 1.0


@pytest.mark.parametrize("scale", [1e-80, 1e-76, 1e-8, 1.0, 1e8, 1e76])
def test_no_scale_of_the_gradients_under_or_overflows(scale):
    """Gramians of 1e-160: the product of two squared norms would be 0."""
    J = _jacobian()
    G, tiny = J @ J.T, (scale * J) @ (scale * J).T
    np.testing.assert_allclose(cosines(tiny).values, cosines(G).values, atol=1e-9)
    np.testing.assert_allclose(focal_cosines(tiny, 2).values, focal_cosines(G, 2).values, atol=1e-9)
    np.testing.assert_allclose(norm_ratios(tiny, 2).values, norm_ratios(G, 2).values, rtol=1e-9)
    weights, average = np.array([0.7, 0.1, 0.1, 0.1]), np.full(4, 0.25)
    assert update_cosine(tiny, weights, average) == pytest.approx(
        update_cosine(G, weights, average), rel=1e-9
    )


def test_gradients_of_very_unequal_size_keep_their_cosine():
    J = np.array([[3.0, 4.0], [1e-150, 0.0]])
    assert cosines(J @ J.T).values[0, 1] == pytest.approx(0.6)
    assert focal_cosines(J @ J.T, 0).values[0] == pytest.approx(0.6)
    assert norm_ratios(J @ J.T, 0).values[0] == pytest.approx(5e150)


def test_the_overall_cosine_is_not_the_mean_over_layers():
    """Overall -0.0002 where the layers have -0.156 and +0.169."""
    first = np.array([[1.0, 0.0], [-0.156, math.sqrt(1 - 0.156**2)]])
    # The second layer's length makes the inner products all but cancel.
    length = math.sqrt((0.156 - 0.0002 * 1.92) / 0.169)
    second = length * np.array([[1.0, 0.0], [0.169, math.sqrt(1 - 0.169**2)]])
    layers = np.stack([first @ first.T, second @ second.T])
    by_layer = cosines(layers).values[:, 0, 1]
    overall = cosines(layers.sum(axis=0)).values[0, 1]
    np.testing.assert_allclose(by_layer, [-0.156, 0.169], atol=1e-12)
    assert overall == pytest.approx(cosine([*first[0], *second[0]], [*first[1], *second[1]]))
    assert overall == pytest.approx(-0.0002, abs=5e-5)
    assert abs(by_layer.mean() - overall) > 0.006


def test_update_cosine_is_that_of_the_two_weighted_sums():
    J = _jacobian()
    weights, average = np.array([0.5, 0.0, -1.0, 2.0]), np.full(4, 0.25)
    expected = cosine(list(weights @ J), list(average @ J))
    assert update_cosine(J @ J.T, weights, average) == pytest.approx(expected, rel=1e-12)
    assert update_cosine(J @ J.T, 7.0 * average, average) == pytest.approx(1.0)


def test_update_cosine_is_undefined_for_an_update_of_length_zero():
    J = np.array([[1.0, 2.0], [-1.0, -2.0]])
    assert math.isnan(update_cosine(J @ J.T, np.array([1.0, 1.0]), np.array([1.0, 0.0])))
    assert math.isnan(update_cosine(J @ J.T, np.array([1.0, 0.0]), np.array([0.5, 0.5])))
    assert math.isnan(update_cosine(np.zeros((2, 2)), np.ones(2), np.ones(2)))


@pytest.mark.parametrize("focal", [-1, 4])
def test_a_focal_row_outside_the_gramian_is_refused(focal):
    for read in (focal_cosines, norm_ratios):
        with pytest.raises(InputError, match=rf"focal: expected a row between 0 and 3, got {focal}"):
            read(np.eye(4), focal)
