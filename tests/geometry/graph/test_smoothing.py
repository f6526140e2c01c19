import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry.graph import LaplacianSystem, smooth, smooth_descent, smooth_jacobi
from tests.geometry.graph._slow import case

COMPONENTS = [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9]]
ITERATIONS = [smooth_jacobi, smooth_descent]


def solved(found, strength):
    laplacian = np.diag(found.adjacency.sum(axis=1)) - found.adjacency
    return np.linalg.solve(np.eye(found.nodes) + strength * laplacian, found.gradients)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tasks", [None, 2])
@pytest.mark.parametrize("strength", [0.0, 0.3, 10.0])
def test_the_exact_solution_is_that_of_the_dense_system(weighted, tasks, strength):
    found = case(weighted=weighted, tasks=tasks)
    np.testing.assert_allclose(
        smooth(found.gradients, found.graph, strength=strength), solved(found, strength), atol=1e-13
    )


def test_the_exact_solution_minimises_eq_4_with_edges_once():
    found = case(weighted=True)

    def objective(rows):
        pulls = sum(found.adjacency[u, v] * np.sum((rows[u] - rows[v]) ** 2) for u, v in found.pairs)
        return np.sum((rows - found.gradients) ** 2) + 0.7 * pulls

    best = smooth(found.gradients, found.graph, strength=0.7)
    moves = 1e-4 * np.random.default_rng(0).standard_normal((20, *best.shape))
    assert all(objective(best + move) > objective(best) for move in moves)


def test_sums_of_components_stay_and_large_strengths_give_their_means():
    found = case(weighted=True, tasks=2)
    for strength in (0.5, 1e6):
        result = smooth(found.gradients, found.graph, strength=strength)
        for members in COMPONENTS:
            np.testing.assert_allclose(
                result[:, members].sum(axis=1), found.gradients[:, members].sum(axis=1), atol=1e-8
            )
    for members in COMPONENTS:
        mean = found.gradients[:, members].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(
            result[:, members], np.broadcast_to(mean, result[:, members].shape), atol=1e-5
        )
    np.testing.assert_allclose(result[:, 9], found.gradients[:, 9])


def test_a_system_is_solved_for_many_gradients():
    found = case()
    system = LaplacianSystem(found.graph, 1.0)
    for rows in (found.gradients, 2 * found.gradients):
        np.testing.assert_allclose(system.solve(rows), smooth(rows, found.graph, strength=1.0))


@pytest.mark.parametrize("iterate", ITERATIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_iterations_reach_the_exact_solution(iterate, weighted):
    found = case(weighted=weighted, tasks=2)
    exact = solved(found, 2.0)
    np.testing.assert_allclose(
        iterate(found.gradients, found.graph, strength=2.0, steps=1500), exact, atol=1e-10
    )
    errors = [
        np.linalg.norm(iterate(found.gradients, found.graph, strength=2.0, steps=steps) - exact)
        for steps in (0, 1, 5, 50)
    ]
    assert errors == sorted(errors, reverse=True)
    assert np.array_equal(iterate(found.gradients, found.graph, strength=2.0, steps=0), found.gradients)


def test_jacobi_is_the_formula_node_by_node():
    found = case(weighted=True)
    g, A = found.gradients, found.adjacency
    expected = g.copy()
    for _ in range(3):
        expected = np.array(
            [
                (g[i] + 0.4 * sum(A[i, j] * expected[j] for j in found.around(i))) / (1 + 0.4 * A[i].sum())
                for i in range(found.nodes)
            ]
        )
    np.testing.assert_allclose(smooth_jacobi(g, found.graph, strength=0.4, steps=3), expected)


def test_one_step_of_jacobi_does_not_keep_sums_and_descent_does():
    found = case()
    total = found.gradients.sum(axis=0)
    assert not np.allclose(smooth_jacobi(found.gradients, found.graph, strength=1.0).sum(axis=0), total)
    for rate in (None, 0.05):
        descended = smooth_descent(found.gradients, found.graph, strength=1.0, steps=4, rate=rate)
        np.testing.assert_allclose(descended.sum(axis=0), total)


def test_one_step_of_descent_is_minus_the_gradient_of_eq_4():
    found = case()
    laplacian = np.diag(found.adjacency.sum(axis=1)) - found.adjacency
    expected = found.gradients - 0.1 * (2.0 * laplacian @ found.gradients)
    np.testing.assert_allclose(
        smooth_descent(found.gradients, found.graph, strength=2.0, rate=0.1), expected, atol=1e-14
    )


@pytest.mark.parametrize("method", [smooth, *ITERATIONS])
def test_a_negative_strength_is_refused(method):
    found = case()
    with pytest.raises(InputError, match="strength: expected a number from 0 on, got -1"):
        method(found.gradients, found.graph, strength=-1.0)


@pytest.mark.parametrize("iterate", ITERATIONS)
def test_a_negative_number_of_steps_is_refused(iterate):
    found = case()
    with pytest.raises(InputError, match="steps: expected a number from 0 on"):
        iterate(found.gradients, found.graph, strength=1.0, steps=-1)
    with pytest.raises(InputError, match="rate: expected a positive number"):
        smooth_descent(found.gradients, found.graph, strength=1.0, rate=0.0)
