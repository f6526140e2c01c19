import numpy as np
import pytest

from gradprobe.combiners import get

from ._jacobians import CASES, jacobian, update
from ._oracles import gragr


@pytest.mark.parametrize(("kind", "tasks", "parameters"), CASES)
@pytest.mark.parametrize("first", ["projection", "smoothing"])
@pytest.mark.parametrize("smoothing", [0.0, 0.05, 2.0])
def test_it_agrees_with_a_loop_over_vectors_and_a_solved_laplacian(kind, tasks, parameters, first, smoothing):
    rows = jacobian(kind, tasks, parameters)
    actual = update(get("gragr", smoothing=smoothing, first=first), rows)
    scale = np.linalg.norm(rows, axis=1).max()
    np.testing.assert_allclose(actual, gragr(rows, smoothing, first), rtol=0, atol=1e-11 * scale)


def test_smoothing_after_the_projection_changes_nothing_and_before_it_does():
    rows = jacobian("opposed", 5, 7)
    without = update(get("gragr", smoothing=0.0), rows)
    np.testing.assert_allclose(update(get("gragr", smoothing=3.0), rows), without, rtol=1e-12)
    assert not np.allclose(update(get("gragr", smoothing=0.05, first="smoothing"), rows), without, rtol=1e-3)


def test_the_context_leaves_the_task_itself_out():
    # With itself in the mean, g_0 = (3, 0) would not conflict with the mean (1, 1/3) of all three.
    rows = np.array([[3.0, 0.0], [-1.0, 1.0], [1.0 - 1e-3, 0.0]])
    expected = gragr(rows, 1.0, "projection")
    np.testing.assert_allclose(update(get("gragr"), rows), expected, rtol=1e-12)
    assert not np.allclose(expected, rows.mean(axis=0))


def test_a_context_that_cancels_is_no_direction():
    # The others of task 0 cancel up to rounding; dividing by what is left would blow up.
    rng = np.random.default_rng(0)
    for _ in range(20):
        focal, other = rng.normal(size=(2, 30))
        rows = np.array([focal, other, other * 0.3, -other * 1.3])
        weights = get("gragr").weights(rows @ rows.T)
        assert np.abs(weights).max() < 10.0
