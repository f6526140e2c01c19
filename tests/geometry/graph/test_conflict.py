from itertools import combinations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry.graph import (
    alignment,
    conflict_flags,
    edge_conflict,
    gradient_attention,
    mixed_conflict,
    neighbour_mean,
    node_graph,
    principal_direction,
    project,
    task_conflict,
    task_similarities,
)
from tests.geometry.graph._slow import case, cosine, neighbour_means

TINY_AND_HUGE = [1e-300, 1e-8, 1.0, 1e8, 1e150]


@pytest.mark.parametrize("tasks", [None, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_context_is_the_mean_of_the_neighbours_without_the_node(tasks, weighted):
    found = case(tasks=tasks, weighted=weighted)
    rows = found.gradients if tasks else found.gradients[None]
    expected = np.array([neighbour_means(found, task) for task in rows])
    np.testing.assert_allclose(
        neighbour_mean(found.gradients, found.graph), expected if tasks else expected[0]
    )


def test_the_principal_direction_is_the_first_singular_vector_towards_the_mean():
    for seed in range(20):
        rows = case(seed=seed, width=4).gradients
        direction = principal_direction(rows)
        first = np.linalg.svd(rows)[2][0]
        assert abs(direction @ first) == pytest.approx(1.0)
        assert direction @ rows.mean(axis=0) >= 0
        np.testing.assert_allclose(principal_direction(-rows), -direction)
        np.testing.assert_allclose(principal_direction(1e-300 * rows), direction)


def test_principal_directions_of_degenerate_gradients():
    assert principal_direction(np.zeros((4, 2))).tolist() == [0.0, 0.0]
    # The mean row is zero: the largest entry is positive.
    assert principal_direction([[-3.0, 0.0], [3.0, 0.0]]).tolist() == [1.0, 0.0]
    # More columns than rows.
    np.testing.assert_allclose(principal_direction([[0.0, -2.0, 0.0]]), [0, -1, 0])
    stacked = case(tasks=2).gradients
    np.testing.assert_allclose(principal_direction(stacked)[1], principal_direction(stacked[1]))


@pytest.mark.parametrize("below", [0.0, 0.4, -0.3])
@pytest.mark.parametrize("min_norm", [0.0, 1.5])
def test_flags_are_those_of_eq_1_node_by_node(below, min_norm):
    for seed in range(5):
        found = case(seed=seed)
        rows, means = found.gradients, neighbour_means(found, found.gradients)
        expected = [
            bool(np.linalg.norm(rows[v]) > min_norm and cosine(rows[v], means[v]) < below)
            for v in range(found.nodes)
        ]
        flags = conflict_flags(rows, means, min_norm=min_norm, below=below)
        assert flags.tolist() == expected
        assert not flags[[3, 9]].any()


def test_flags_against_one_direction_for_all():
    rows = case(tasks=2).gradients
    direction = principal_direction(rows)
    flags = conflict_flags(rows, direction)
    assert flags.shape == (2, 10)
    assert flags.tolist() == (np.einsum("tnd,td->tn", rows, direction) < 0).tolist()
    with pytest.raises(InputError, match=r"contexts: expected those of gradients \(2, 10, 3\)"):
        conflict_flags(rows, direction[0])


@pytest.mark.parametrize("scale", TINY_AND_HUGE)
def test_flags_and_cosines_do_not_depend_on_the_scale(scale):
    found = case()
    means = neighbour_mean(found.gradients, found.graph)
    expected = conflict_flags(found.gradients, means, below=0.3)
    assert np.array_equal(conflict_flags(scale * found.gradients, scale * means, below=0.3), expected)
    np.testing.assert_allclose(
        alignment(scale * found.gradients, found.graph), alignment(found.gradients, found.graph)
    )
    energy = edge_conflict(scale * found.gradients, found.graph).energy
    np.testing.assert_allclose(energy, edge_conflict(found.gradients, found.graph).energy)


def test_an_orthogonal_context_is_no_conflict_even_by_rounding():
    # Normalising first turns this product of exactly zero into -1.4e-17.
    assert not conflict_flags([[-5.0, -1.0, -5.0]], [[4.0, 5.0, -5.0]]).any()
    rows = np.array([[0.1, 0.7, 0.3]])
    assert conflict_flags(rows, rows * -1e-200).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_conflict_loss_counts_each_undirected_edge_once(weighted):
    found = case(weighted=weighted)
    g, A = found.gradients, found.adjacency
    loss = sum(A[u, v] * max(0.0, -np.dot(g[u], g[v])) for u, v in found.pairs)
    cosines = {(u, v): cosine(g[u], g[v]) for u, v in found.pairs}
    known = {pair: value for pair, value in cosines.items() if not np.isnan(value)}
    energy = sum(A[pair] * max(0.0, -value) for pair, value in known.items())
    result = edge_conflict(g, found.graph)
    total = sum(A[pair] for pair in found.pairs)
    assert float(result.loss) == pytest.approx(loss)
    assert float(result.loss_per_edge) == pytest.approx(loss / total)
    assert float(result.energy) == pytest.approx(energy)
    assert float(result.energy_per_edge) == pytest.approx(energy / sum(A[pair] for pair in known))
    assert float(result.defined) == pytest.approx(sum(A[pair] for pair in known) / total)
    assert len(known) < len(found.pairs)


def test_conflict_of_several_tasks_is_that_of_each():
    found = case(tasks=3)
    result = edge_conflict(found.gradients, found.graph)
    for place, task in enumerate(found.gradients):
        alone = edge_conflict(task, found.graph)
        assert result.loss[place] == float(alone.loss)
        assert result.energy_per_edge.values[place] == float(alone.energy_per_edge)
        assert result.defined[place] == float(alone.defined)


def test_conflict_without_edges_or_directions_is_undefined_and_says_why():
    empty = node_graph(np.zeros((2, 0), dtype=np.int64), 3)
    result = edge_conflict(np.ones((3, 2)), empty)
    assert (float(result.loss), float(result.energy), float(result.defined)) == (0.0, 0.0, 0.0)
    assert np.isnan(float(result.loss_per_edge))
    assert result.loss_per_edge.reason == result.energy_per_edge.reason == "the graph has no edge"
    silent = edge_conflict(np.zeros((10, 2)), case().graph)
    assert float(silent.loss_per_edge) == 0.0
    assert silent.energy_per_edge.reason == "a zero gradient has no direction"


def test_many_edges_are_taken_in_pieces(monkeypatch):
    found = case(weighted=True)
    whole = edge_conflict(found.gradients, found.graph)
    monkeypatch.setattr("gradprobe.geometry.graph.rows._PIECE", 6)
    pieces = edge_conflict(found.gradients, found.graph)
    assert (float(pieces.loss), float(pieces.energy)) == (float(whole.loss), float(whole.energy))


def test_task_conflict_is_eq_27_at_every_node():
    found = case(tasks=4)
    g = found.gradients
    energy, per_pair = task_conflict(g)
    similar = task_similarities(g)
    for v in range(found.nodes):
        cosines = [cosine(g[i, v], g[j, v]) for i, j in combinations(range(4), 2)]
        known = [value for value in cosines if not np.isnan(value)]
        assert energy[v] == pytest.approx(sum(max(0.0, -value) for value in known))
        assert per_pair[v] == pytest.approx(
            np.mean([max(0.0, -x) for x in known]) if known else np.nan, nan_ok=True
        )
        np.testing.assert_allclose(
            similar[v], [[cosine(g[i, v], g[j, v]) for j in range(4)] for i in range(4)], atol=1e-15
        )
    assert np.isnan(per_pair[3])
    assert energy[3] == 0.0


def test_task_conflict_reaches_its_bound_and_is_undefined_for_one_task():
    opposed = np.array([1.0, -1.0, 1.0, -1.0, 1.0])[:, None, None] * np.ones((5, 2, 3))
    assert task_conflict(opposed)[0] == pytest.approx(5 * 5 // 4)
    energy, per_pair = task_conflict(np.ones((1, 2, 3)))
    assert np.isnan(energy).all()
    assert np.isnan(per_pair).all()
    with pytest.raises(InputError, match="one task has no pair"):
        task_conflict(np.ones((2, 3)))


def test_projection_leaves_what_agrees_and_makes_the_rest_orthogonal():
    for seed in range(10):
        found = case(seed=seed)
        rows, means = found.gradients, neighbour_means(found, found.gradients)
        result = project(rows, means)
        for v in range(found.nodes):
            if np.dot(rows[v], means[v]) < 0:
                expected = rows[v] - np.dot(rows[v], means[v]) / np.dot(means[v], means[v]) * means[v]
                np.testing.assert_allclose(result[v], expected)
                assert np.dot(result[v], means[v]) == pytest.approx(0.0, abs=1e-14)
            else:
                assert np.array_equal(result[v], rows[v])


def test_a_threshold_above_zero_does_not_strip_what_agrees():
    rows, contexts = np.array([[1.0, 2.0], [1.0, -2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    flagged = conflict_flags(rows, contexts, below=0.9)
    assert flagged.all()
    assert project(rows, contexts, flagged=flagged).tolist() == [[1.0, 2.0], [1.0, 0.0]]


def test_only_flagged_nodes_are_projected():
    rows, contexts = -np.ones((2, 3, 2)), np.ones((2, 2))
    flagged = np.array([[True, False, False], [False, False, True]])
    result = project(rows, contexts, flagged=flagged)
    np.testing.assert_allclose(result, np.where(flagged[..., None], 0.0, rows), atol=1e-15)


@pytest.mark.parametrize("scale", TINY_AND_HUGE)
def test_projection_does_not_depend_on_the_length_of_the_context(scale):
    np.testing.assert_allclose(project([[1.0, -2.0]], [[0.0, scale]]), [[1.0, 0.0]], atol=1e-15)


@pytest.mark.parametrize("tasks", [None, 3])
@pytest.mark.parametrize("kind", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 3000.0])
def test_attention_is_the_softmax_of_eq_5_row_by_row(tasks, kind, temperature):
    found = case(tasks=tasks)
    rows = found.gradients if tasks else found.gradients[None]
    result = gradient_attention(found.gradients, found.graph, temperature=temperature, cosine=kind)
    for u in range(found.nodes):
        mine = result.receivers == u
        near = found.around(u) or [u]
        assert result.senders[mine].tolist() == near
        measure = (lambda a, b: cosine(a, b, undefined=0.0)) if kind else np.dot
        scores = np.array([temperature * sum(measure(task[u], task[v]) for task in rows) for v in near])
        expected = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        np.testing.assert_allclose(result.shares[mine], expected, rtol=1e-8, atol=1e-300)
        assert result.shares[mine].sum() == pytest.approx(1.0)


def test_raw_attention_of_tiny_gradients_is_uniform_and_that_of_cosines_is_not():
    found = case()
    raw = gradient_attention(1e-6 * found.gradients, found.graph)
    np.testing.assert_allclose(raw.shares, 1.0 / np.maximum(found.graph.degrees, 1)[raw.receivers], rtol=1e-9)
    np.testing.assert_allclose(
        gradient_attention(1e-6 * found.gradients, found.graph, cosine=True).shares,
        gradient_attention(found.gradients, found.graph, cosine=True).shares,
    )


def test_attention_without_any_edge_is_to_oneself():
    result = gradient_attention(np.ones((3, 2)), node_graph(np.zeros((2, 0), dtype=np.int64), 3))
    assert (result.receivers.tolist(), result.senders.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert result.shares.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_derivative_by_task_weights_is_that_of_finite_differences(weighted):
    found = case(tasks=3, weighted=weighted, seed=4)
    gamma = np.array([0.8, 1.7, 0.5])
    result = mixed_conflict(found.gradients, found.graph, gamma)

    def loss(weights):
        return float(edge_conflict(np.einsum("t,tnd->nd", weights, found.gradients), found.graph).loss)

    assert result.loss == pytest.approx(loss(gamma))
    step = 1e-6
    for place in range(3):
        move = step * np.eye(3)[place]
        assert result.derivative[place] == pytest.approx(
            (loss(gamma + move) - loss(gamma - move)) / (2 * step), rel=1e-6
        )
    assert gamma @ result.derivative == pytest.approx(2 * result.loss)


def test_the_derivative_is_that_of_the_matrices_of_edges():
    found = case(tasks=3, seed=1)
    g, gamma = found.gradients, np.array([1.0, -0.4, 2.0])
    expected = np.zeros(3)
    for u, v in found.pairs:
        C = np.array([[np.dot(g[i, u], g[j, v]) for j in range(3)] for i in range(3)])
        if gamma @ C @ gamma < 0:
            expected -= (C + C.T) @ gamma
    np.testing.assert_allclose(mixed_conflict(g, found.graph, gamma).derivative, expected)
    with pytest.raises(InputError, match="one for each task"):
        mixed_conflict(g, found.graph, gamma[:2])


def test_alignment_is_undefined_without_a_direction():
    found = case()
    values = alignment(found.gradients, found.graph)
    means = neighbour_means(found, found.gradients)
    for v in range(found.nodes):
        assert values[v] == pytest.approx(cosine(found.gradients[v], means[v]), nan_ok=True)
    # Two zero gradients and the isolated node.
    assert np.isnan(values[[3, 6, 9]]).all()
    assert np.isfinite(values[[0, 1, 2, 4, 5, 7, 8]]).all()


def test_gradients_that_do_not_fit_the_graph_are_refused():
    graph = case().graph
    with pytest.raises(InputError, match="a row for each of 10 nodes of the graph, got 4"):
        neighbour_mean(np.ones((4, 2)), graph)
    with pytest.raises(InputError, match=r"\[tasks, nodes, width\], got shape \(10,\)"):
        edge_conflict(np.ones(10), graph)
    with pytest.raises(InputError, match="NaN or infinity at node 7"):
        edge_conflict(np.where(np.arange(10)[:, None] == 7, np.nan, np.ones((10, 2))), graph)
