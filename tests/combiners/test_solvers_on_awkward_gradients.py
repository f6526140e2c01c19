"""Small integers make ties, zero rows, copies and exact cancellations, where active sets go astray."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradprobe.combiners import get
from gradprobe.combiners.cagrad import solve_dual

deterministic = settings(derandomize=True, deadline=None, max_examples=300, database=None)
whole_numbers = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(-2, 2)
)
decades = st.lists(st.integers(-3, 0), min_size=7, max_size=7)


def gradients(whole, exponents):
    return whole * 10.0 ** np.array(exponents[: len(whole)])[:, None]


@deterministic
@given(whole=whole_numbers, exponents=decades)
def test_mgda_finds_a_point_that_no_gradient_shortens(whole, exponents):
    rows = gradients(whole, exponents)
    weights = get("mgda").weights(rows @ rows.T)
    lengths = np.linalg.norm(rows, axis=1)
    point = weights @ rows
    assert (weights >= 0).all()
    assert abs(weights.sum() - 1) <= 1e-12
    assert (rows @ point >= point @ point - 1e-11 * lengths * (weights @ lengths)).all()


@deterministic
@given(whole=whole_numbers, exponents=decades, c=st.sampled_from([0.1, 0.4, 0.9, 1.5]))
def test_cagrad_closes_the_gap_between_primal_and_dual_or_has_no_direction(whole, exponents, c):
    rows = gradients(whole, exponents)
    mean = rows.mean(axis=0)
    radius = c * np.linalg.norm(mean)
    lengths = np.linalg.norm(rows, axis=1)

    def dual_objective(weights):
        return weights @ rows @ mean + radius * np.linalg.norm(weights @ rows)

    gramian = rows @ rows.T
    optimum = solve_dual(gramian / (np.trace(gramian) or 1.0), c)
    if optimum is None:  # then g_w = 0, of value 0, is the best that the min player can do
        corners = np.vstack([np.eye(len(rows)), np.random.default_rng(0).dirichlet(np.ones(len(rows)), 100)])
        assert min(map(dual_objective, corners)) >= -1e-9 * lengths.max() * np.linalg.norm(mean)
        return
    hull = optimum.weights @ rows
    direction = mean + radius / np.linalg.norm(hull) * hull
    gap = dual_objective(optimum.weights) - (rows @ direction).min()
    assert gap <= 1e-7 * lengths.max() * np.linalg.norm(direction)
