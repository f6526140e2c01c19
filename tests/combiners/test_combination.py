import numpy as np

from gradprobe.combiners.combination import squared_norm


def test_the_squared_norm_is_that_of_the_combination():
    rows = np.random.default_rng(0).normal(size=(4, 9))
    weights = np.array([0.5, -1.0, 0.0, 2.0])
    np.testing.assert_allclose(squared_norm(rows @ rows.T, weights), np.sum((weights @ rows) ** 2))


def test_the_dust_of_a_cancellation_is_exactly_zero_and_a_short_gradient_is_not():
    row = np.random.default_rng(0).normal(size=30)
    rows = np.array([row, 0.3 * row, 1e-9 * row])
    gramian = rows @ rows.T
    assert squared_norm(gramian, np.array([0.3, -1.0, 0.0])) == 0.0
    np.testing.assert_allclose(squared_norm(gramian, np.array([0.0, 0.0, 1.0])), 1e-18 * row @ row)
