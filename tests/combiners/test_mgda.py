import numpy as np
import pytest

from gradprobe.combiners import get

from ._jacobians import CASES, jacobian, update
from ._oracles import shortest_in_hull


@pytest.mark.parametrize("kind", ["independent", "spread", "agreeing", "opposed"])
@pytest.mark.parametrize(("tasks", "parameters"), [(2, 3), (3, 2), (4, 9), (6, 3), (6, 40)])
def test_the_update_is_the_shortest_over_all_faces_of_the_hull(kind, tasks, parameters):
    for seed in range(3):
        rows = jacobian(kind, tasks, parameters, seed=seed)
        np.testing.assert_allclose(update(get("mgda"), rows), shortest_in_hull(rows), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "tasks", "parameters"),
    [
        *CASES,
        pytest.param("independent", 100, 1000, id="100x1000"),
        pytest.param("spread", 60, 30, id="60x30"),
    ],
)
def test_the_optimality_conditions_hold(kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    weights = get("mgda").weights(rows @ rows.T)
    point = weights @ rows
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    slack = 1e-10 * np.linalg.norm(rows, axis=1) * (weights @ np.linalg.norm(rows, axis=1))
    assert (rows @ point >= point @ point - slack).all()
    support = weights > 0
    assert (np.abs(rows @ point - point @ point)[support] <= slack[support]).all()


@pytest.mark.parametrize("seed", range(20))
def test_two_tasks_follow_the_closed_form(seed):
    rows = jacobian("spread", 2, 3, seed=seed)
    (a, b), (_, d) = rows @ rows.T
    first = np.clip((d - b) / (a + d - 2 * b), 0, 1)
    np.testing.assert_allclose(get("mgda").weights(rows @ rows.T), [first, 1 - first], rtol=1e-9, atol=1e-12)


def test_a_corner_has_weights_of_exactly_one_and_zero():
    # Public code returns 0.999 and 0.001 here.
    rows = np.array([[1.0, 0.0], [3.0, 1.0]])
    np.testing.assert_array_equal(get("mgda").weights(rows @ rows.T), [1.0, 0.0])
    np.testing.assert_array_equal(get("mgda").weights(rows[::-1] @ rows[::-1].T), [0.0, 1.0])


def test_identical_gradients_are_no_division_of_zero_by_zero():
    weights = get("mgda").weights(np.full((3, 3), 25.0))
    assert weights.sum() == 1.0
    assert (weights >= 0.0).all()


@pytest.mark.parametrize(("tasks", "parameters"), [(18, 3), (100, 10)])
def test_more_tasks_than_directions_stop_at_zero(tasks, parameters):
    rows = jacobian("independent", tasks, parameters)
    assert np.linalg.norm(update(get("mgda"), rows)) <= 1e-7 * np.linalg.norm(rows, axis=1).max()


def test_short_gradients_keep_their_digits_beside_long_ones():
    rows = np.diag([1e-5, 2e-5, 1.0])
    inverse = 1 / np.diag(rows) ** 2
    np.testing.assert_allclose(get("mgda").weights(rows @ rows.T), inverse / inverse.sum(), rtol=1e-9)
