import numpy as np
import pytest

from gradprobe.combiners import get

from ._jacobians import CASES, jacobian, update
from ._oracles import gating, rcgrad

cases = pytest.mark.parametrize(("kind", "tasks", "parameters"), CASES)


@cases
@pytest.mark.parametrize("reduction", ["mean", "sum", "weighted"])
def test_gating_agrees_with_a_loop_over_vectors(kind, tasks, parameters, reduction):
    rows = jacobian(kind, tasks, parameters)
    for focal in (0, tasks - 1):
        actual = update(get("cosine_gating", reduction=reduction), rows, focal)
        np.testing.assert_allclose(actual, gating(rows, focal, reduction), rtol=1e-9, atol=1e-12)


@cases
def test_rcgrad_agrees_with_a_loop_over_vectors(kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    for focal in (0, tasks - 1):
        actual = update(get("rcgrad"), rows, focal)
        scale = np.linalg.norm(rows, axis=1).max()
        np.testing.assert_allclose(actual, rcgrad(rows, focal), rtol=0, atol=1e-12 * scale)


@cases
def test_rcgrad_never_opposes_the_focal_gradient(kind, tasks, parameters):
    for seed in range(5):
        rows = jacobian(kind, tasks, parameters, seed=seed)
        square = rows[0] @ rows[0]
        assert update(get("rcgrad"), rows) @ rows[0] >= square / tasks * (1 - 1e-9)


def test_rcgrad_leaves_conflicts_among_auxiliaries_alone():
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 1.0]])
    np.testing.assert_allclose(get("rcgrad").weights(rows @ rows.T), np.full(3, 1 / 3))


def test_an_orthogonal_auxiliary_is_kept_by_gating():
    np.testing.assert_array_equal(get("cosine_gating").weights(np.eye(2)), [0.5, 0.5])


def test_gating_divides_by_the_number_kept_not_by_the_number_of_tasks():
    rows = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(get("cosine_gating").weights(rows @ rows.T), [0.5, 0.5, 0.0, 0.0])
