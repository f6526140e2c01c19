import numpy as np
import pytest

from gradprobe.combiners import get
from gradprobe.combiners.cagrad import solve_dual

from ._jacobians import CASES, jacobian, update
from ._oracles import cagrad_primal


def dual(rows, c):
    gramian = rows @ rows.T
    return solve_dual(gramian / np.trace(gramian), c)


@pytest.mark.parametrize("c", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_update_solves_the_primal_problem(c, tasks, seed):
    rows = jacobian("independent", tasks, 7, seed=seed)
    expected = cagrad_primal(rows, c)
    actual = update(get("cagrad", c=c, rescale="none"), rows)
    floor = (rows @ actual).min()
    # The reference solver meets its constraints to about 1e-10 of the gains' scale.
    slack = 1e-9 * np.linalg.norm(rows, axis=1).max() * np.linalg.norm(expected)
    assert floor >= (rows @ expected).min() - slack
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.linalg.norm(expected))


@pytest.mark.parametrize("c", [0.01, 0.4, 0.9])
@pytest.mark.parametrize(
    ("kind", "tasks", "parameters"), [*CASES, pytest.param("spread", 100, 50, id="100x50")]
)
def test_the_optimality_conditions_hold(kind, tasks, parameters, c):
    # A d on the sphere around g_0, in the direction of a hull point g_w, that no task outside the support
    # of w finds worse than those inside do: sufficient for the optimum of a convex problem.
    rows = jacobian(kind, tasks, parameters)
    mean = rows.mean(axis=0)
    direction = update(get("cagrad", c=c, rescale="none"), rows)
    optimum = dual(rows, c)
    assert optimum is not None
    assert (optimum.weights >= 0).all()
    assert optimum.weights.sum() == pytest.approx(1.0, abs=1e-12)
    hull = optimum.weights @ rows
    np.testing.assert_allclose(np.linalg.norm(direction - mean), c * np.linalg.norm(mean), rtol=1e-9)
    np.testing.assert_allclose(
        direction - mean,
        c * np.linalg.norm(mean) / np.linalg.norm(hull) * hull,
        rtol=0,
        atol=1e-9 * np.linalg.norm(mean) * c,
    )
    gains = rows @ direction
    support = optimum.weights > 0
    slack = 1e-10 * np.linalg.norm(rows, axis=1).max() * np.linalg.norm(direction)
    assert np.ptp(gains[support]) <= slack
    assert (gains >= gains[support].mean() - slack).all()


@pytest.mark.parametrize("scale", [1e-8, 1e-6, 0.024 / 2.4, 1e6])
def test_tiny_gradients_do_not_turn_cagrad_into_a_scaled_average(scale):
    # SLSQP at its default tolerance, on the unscaled objective, stops at uniform weights; torchjd's
    # norm_eps gives a zero vector.
    rows = jacobian("spread", 3, 200)
    expected = get("cagrad").weights(rows @ rows.T)
    actual = get("cagrad").weights((scale * rows) @ (scale * rows).T)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    assert np.ptp(actual) > 0.1
    assert np.linalg.norm(actual) > 0.1


def test_each_rescale_divides_the_same_direction():
    rows = jacobian("independent", 4, 6)
    c = 0.7
    plain = get("cagrad", c=c, rescale="none").weights(rows @ rows.T)
    for rescale, divisor in (("1+c", 1.7), ("1+c^2", 1.49), ("1+lambda", plain.sum())):
        actual = get("cagrad", c=c, rescale=rescale).weights(rows @ rows.T)
        np.testing.assert_allclose(actual, plain / divisor, rtol=1e-13)
    np.testing.assert_array_equal(
        get("cagrad").weights(np.eye(2)), get("cagrad", c=0.4, rescale="1+c^2").weights(np.eye(2))
    )


def test_c_zero_is_averaging_and_is_approached_continuously():
    rows = jacobian("independent", 4, 6)
    mean = rows.mean(axis=0)
    np.testing.assert_array_equal(get("cagrad", c=0.0).weights(rows @ rows.T), np.full(4, 0.25))
    near = update(get("cagrad", c=1e-6, rescale="none"), rows)
    assert np.linalg.norm(near - mean) == pytest.approx(1e-6 * np.linalg.norm(mean), rel=1e-6)


def test_a_huge_c_points_along_mgda():
    rows = jacobian("agreeing", 4, 6)
    shortest = update(get("mgda"), rows)
    far = update(get("cagrad", c=1e7, rescale="none"), rows)
    cosine = far @ shortest / np.linalg.norm(far) / np.linalg.norm(shortest)
    assert cosine == pytest.approx(1.0, abs=1e-10)


def test_two_orthogonal_unit_gradients_by_hand():
    # By symmetry w = (1/2, 1/2), so g_w = g_0 and d = (1 + c) g_0.
    np.testing.assert_allclose(get("cagrad", c=0.4, rescale="none").weights(np.eye(2)), [0.7, 0.7])


def test_one_task_gets_one_plus_c_times_its_gradient():
    np.testing.assert_allclose(get("cagrad", c=0.4, rescale="none").weights(np.array([[9.0]])), [1.4])


def test_zero_in_the_hull_away_from_minus_the_mean_leaves_the_mean_gradient_unscaled():
    # Hull of (1, 1), (1, -1), (0, 0) or of (4, 1), (0, -1), (0, 1): no point lies near -g_0.
    for rows in (
        np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]),
        np.array([[4.0, 1.0], [0.0, -1.0], [0.0, 1.0]]),
    ):
        assert dual(rows, 0.4) is None
        np.testing.assert_array_equal(get("cagrad").weights(rows @ rows.T), np.full(3, 1 / 3))


def test_a_zero_row_alone_does_not_make_the_optimum_degenerate():
    rows = np.array([[3.0, 0.0], [-1.0, 0.1], [0.0, 0.0]])
    optimum = dual(rows, 0.9)
    assert optimum is not None
    direction = update(get("cagrad", c=0.9, rescale="none"), rows)
    # The zero row's gain of 0 is above the others' here, so it only shrinks g_0.
    expected = cagrad_primal(rows[[0, 1]], 0.9)
    assert (rows @ expected).min() < 0
    np.testing.assert_allclose(direction * 3 / 2, expected, atol=1e-6)


def test_at_a_pareto_stationary_point_cagrad_still_heads_for_the_mean_loss():
    rows = np.array([[2.0, 0.0], [-1.0, 0.0]])
    direction = update(get("cagrad"), rows)
    assert np.linalg.norm(update(get("mgda"), rows)) == pytest.approx(0.0, abs=1e-12)
    assert direction @ rows.mean(axis=0) > 0


def test_with_zero_inside_the_hull_only_a_c_below_one_leaves_a_direction():
    # No d serves all tasks then; with c >= 1 the ball holds d = 0, whose floor of 0 is the best.
    rows = jacobian("independent", 18, 7)
    assert dual(rows, 0.99) is not None
    assert dual(rows, 1.01) is None
    np.testing.assert_array_equal(get("cagrad", c=1.01).weights(rows @ rows.T), np.full(18, 1 / 18))


def test_gradients_that_cancel_give_nothing():
    rows = np.array([[1.0, 0.0], [-0.5, 0.5], [-0.5, -0.5]])
    assert dual(rows, 0.4) is None
    np.testing.assert_allclose(update(get("cagrad"), rows), [0.0, 0.0], atol=1e-15)
