from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradprobe.errors import InputError
from gradprobe.geometry.adjacency import normalised_adjacency
from gradprobe.geometry.kernel import (
    alignment,
    centre,
    graph_kernel,
    has_label,
    kernel_alignments,
    label_kernel,
)

# A triangle with a tail, and a pair of its own.
EDGES = np.array([[0, 0, 1, 2, 3, 5], [1, 2, 2, 3, 4, 6]])
NODES = 7


def _adjacency() -> np.ndarray:
    """D^-1/2 (A + I) D^-1/2 by a loop."""
    links = np.eye(NODES)
    for a, b in EDGES.T:
        links[a, b] = links[b, a] = 1.0
    return np.array(
        [
            [links[i, j] / math.sqrt(links[i].sum() * links[j].sum()) for j in range(NODES)]
            for i in range(NODES)
        ]
    )


def _by_definition(first: np.ndarray, second: np.ndarray, *, centred: bool) -> float:
    """<K1, K2> / (|K1| |K2|) by loops over entries, with H K H as a product of matrices."""
    n = len(first)
    if centred:
        h = np.eye(n) - np.ones((n, n)) / n
        first, second = h @ first @ h, h @ second @ h
    pairs = [(first[i, j], second[i, j]) for i in range(n) for j in range(n)]
    return sum(a * b for a, b in pairs) / math.sqrt(
        sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
    )


def _kernel(seed: int, nodes: int = 6, width: int = 3) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(nodes, width)) + 0.7
    return features @ features.T


@pytest.mark.parametrize("centred", [True, False])
def test_it_follows_the_definition(centred):
    found = alignment(_kernel(0), _kernel(1), centred=centred)
    assert float(found) == pytest.approx(_by_definition(_kernel(0), _kernel(1), centred=centred), rel=1e-12)
    assert found.reasons == {}


def test_centred_is_the_default_and_differs():
    found = float(alignment(_kernel(0), _kernel(1)))
    assert found == float(alignment(_kernel(0), _kernel(1), centred=True))
    assert abs(found - float(alignment(_kernel(0), _kernel(1), centred=False))) > 0.1


@given(st.floats(-150, 150), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_it_does_not_depend_on_scale(exponent, seed):
    scaled = 10.0**exponent * _kernel(seed)
    for centred in (True, False):
        expected = float(alignment(_kernel(seed), _kernel(9), centred=centred))
        assert float(alignment(scaled, _kernel(9), centred=centred)) == pytest.approx(expected, rel=1e-9)
        assert float(alignment(_kernel(9), scaled, centred=centred)) == pytest.approx(expected, rel=1e-9)


def test_it_is_one_with_itself_and_does_not_depend_on_the_order_of_nodes():
    order = np.random.default_rng(3).permutation(6)
    assert float(alignment(_kernel(0), _kernel(0))) == pytest.approx(1.0, abs=1e-12)
    assert float(alignment(_kernel(0), -_kernel(0))) == pytest.approx(-1.0, abs=1e-12)
    expected = float(alignment(_kernel(0), _kernel(1)))
    assert float(alignment(_kernel(0)[order][:, order], _kernel(1)[order][:, order])) == pytest.approx(
        expected
    )


def test_centred_it_is_linear_cka():
    """||Y^T X||^2 / (||X^T X|| ||Y^T Y||) with the columns' means taken away (Kornblith et al. 2019)."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(9, 4)) + 2.0, rng.normal(size=(9, 3)) - 1.0
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    cka = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert float(alignment(x @ x.T, y @ y.T)) == pytest.approx(cka, rel=1e-12)


def test_centred_it_does_not_see_a_shift_of_the_features():
    features = np.random.default_rng(5).normal(size=(6, 3))
    moved = features + np.array([10.0, -3.0, 0.5])
    assert float(alignment(moved @ moved.T, features @ features.T)) == pytest.approx(1.0, abs=1e-9)


def test_one_hot_labels_are_labels_of_plus_and_minus_one_once_centred():
    labels = np.array([0, 1, 1, 0, 1, 1])
    signs = np.where(labels == 0, -1.0, 1.0)
    for centred, same in ((True, True), (False, False)):
        one_hot = float(alignment(_kernel(0), label_kernel(labels), centred=centred))
        plus_minus = float(alignment(_kernel(0), np.outer(signs, signs), centred=centred))
        assert (abs(one_hot - plus_minus) < 1e-12) == same


@pytest.mark.parametrize("value", [1.0, 0.1, -7.3, 1e-200, 1e200])
@pytest.mark.parametrize("nodes", [1, 2, 300])
def test_a_constant_kernel_has_no_centred_alignment(value, nodes):
    constant = np.full((nodes, nodes), value)
    found = alignment(constant, np.eye(nodes) + constant / abs(value), centred=True)
    assert math.isnan(float(found))
    assert found.reason.startswith("centring leaves nothing of the first kernel")
    uncentred = alignment(constant, np.full((nodes, nodes), 2.0), centred=False)
    assert float(uncentred) == pytest.approx(math.copysign(1.0, value))


def test_a_zero_kernel_has_none_at_all():
    for centred in (True, False):
        found = alignment(np.eye(3), np.zeros((3, 3)), centred=centred)
        assert math.isnan(float(found))
        assert found.reason == "the second kernel is zero"


def test_small_differences_are_not_taken_for_dust():
    almost = np.ones((6, 6)) + 1e-9 * _kernel(0)
    assert float(alignment(almost, _kernel(0))) == pytest.approx(1.0, abs=1e-4)


def test_centring_is_hkh():
    h = np.eye(6) - np.ones((6, 6)) / 6
    np.testing.assert_allclose(centre(_kernel(2)), h @ _kernel(2) @ h, atol=1e-12)


@pytest.mark.parametrize("power", [1, 2, 3, 4, 7])
def test_the_graphs_kernel_is_a_power_of_the_whole_adjacency(power):
    expected = np.linalg.matrix_power(_adjacency(), power)
    np.testing.assert_allclose(graph_kernel(EDGES, NODES, power=power), expected, atol=1e-12)
    chosen = np.array([4, 0, 3])
    some = graph_kernel(EDGES, NODES, power=power, chosen=chosen)
    np.testing.assert_allclose(some, expected[np.ix_(chosen, chosen)], atol=1e-12)
    if power == 2:
        alone = np.linalg.matrix_power(_adjacency()[np.ix_(chosen, chosen)], power)
        assert np.abs(some - alone).max() > 0.05  # paths lead over nodes that were not chosen


def test_edges_count_once_whichever_way_they_are_given():
    both = np.hstack([EDGES, EDGES[::-1], EDGES[:, :2], [[3], [3]]])
    np.testing.assert_array_equal(
        normalised_adjacency(both, NODES).toarray(), normalised_adjacency(EDGES, NODES).toarray()
    )
    np.testing.assert_allclose(normalised_adjacency(EDGES, NODES).toarray(), _adjacency(), atol=1e-12)


def test_without_loops_a_lonely_node_has_a_row_of_zeros():
    found = normalised_adjacency(EDGES, NODES + 1, self_loops=False).toarray()
    assert not found[NODES].any()
    assert not found.diagonal().any()
    assert found[5, 6] == 1.0


def test_nodes_without_label_are_left_out_before_anything_is_centred():
    kernel, graph = _kernel(0), _kernel(1)
    labels = np.array([0, -1, 1, 0, 1, -1])
    known = np.array([0, 2, 3, 4])
    target = (labels[known][:, None] == labels[known][None, :]).astype(float)
    found = kernel_alignments(kernel, graph, labels)
    assert (found.nodes, found.labelled) == (6, 4)
    for own, kind in ((found.kernel_target, kernel), (found.graph_target, graph)):
        expected = _by_definition(kind[np.ix_(known, known)], target, centred=True)
        assert float(own) == pytest.approx(expected, rel=1e-12)
        late = _by_definition(centre(kind)[np.ix_(known, known)], target, centred=False)
        assert abs(expected - late) > 0.01
    assert float(found.kernel_graph) == pytest.approx(_by_definition(kernel, graph, centred=True), rel=1e-12)


def test_missing_numbers_are_missing_labels_too():
    kernel, graph = _kernel(0), _kernel(1)
    classes = np.array([0, -1, 1, 0, 2, 1])
    one_hot = np.eye(3)[classes]
    one_hot[1] = np.nan
    expected, found = kernel_alignments(kernel, graph, classes), kernel_alignments(kernel, graph, one_hot)
    assert float(found.kernel_target) == pytest.approx(float(expected.kernel_target), rel=1e-12)
    as_numbers = np.array([0.0, np.nan, 1.0, 0.0, 2.0, 1.0])
    assert float(kernel_alignments(kernel, graph, as_numbers).graph_target) == float(expected.graph_target)
    np.testing.assert_array_equal(has_label(one_hot), classes >= 0)


def test_labels_that_say_nothing_leave_reasons():
    one_class = kernel_alignments(_kernel(0), _kernel(1), np.zeros(6, dtype=np.int64))
    assert math.isnan(float(one_class.kernel_target))
    assert "labels' kernel" in one_class.graph_target.reason
    lonely = kernel_alignments(_kernel(0), _kernel(1), np.array([-1, -1, 3, -1, -1, -1]))
    assert lonely.kernel_target.reason == "fewer than two nodes are labelled"
    assert not math.isnan(float(lonely.kernel_graph))
    assert set(lonely.quantities) == {"kernel_graph", "kernel_target", "graph_target"}


def test_an_edge_within_a_class_raises_the_graphs_alignment_with_the_labels():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    apart = np.array([[0, 0, 1, 3, 3, 4, 5], [1, 2, 2, 4, 5, 6, 6]])
    across = np.array([[0, 0, 1, 1, 2, 2, 0], [3, 4, 4, 5, 5, 6, 6]])
    alike = kernel_alignments(np.eye(7), graph_kernel(apart, 7, power=4), labels).graph_target
    crossing = kernel_alignments(np.eye(7), graph_kernel(across, 7, power=1), labels).graph_target
    assert float(alike) > 0.7
    assert float(crossing) < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: alignment(np.ones((2, 3)), np.eye(2)), r"first kernel: expected a square matrix .*\(2, 3\)"),
        (lambda: alignment(np.eye(2), np.full((2, 2), np.nan)), "second kernel: expected finite entries"),
        (lambda: alignment(np.eye(2), np.eye(3)), "expected 2 nodes.*got 3; restrict both"),
        (lambda: alignment(np.zeros((0, 0)), np.zeros((0, 0))), "expected a square matrix"),
        (lambda: kernel_alignments(np.eye(3), np.eye(3), np.zeros(2, dtype=int)), "one for each of 3 nodes"),
        (lambda: label_kernel(np.array([0, -1])), "none for 1 of 2; restrict"),
        (lambda: has_label(np.array(["a", "b"])), "labels: expected classes"),
        (lambda: graph_kernel(EDGES, NODES, power=0), "power: expected a count of steps"),
        (lambda: graph_kernel(EDGES, 7, power=2, chosen=np.array([7])), "chosen: expected nodes from 0 to 6"),
        (lambda: graph_kernel(EDGES, 6, power=2), "edge_index: expected nodes from 0 to 5"),
        (lambda: normalised_adjacency(EDGES.T, NODES), "edge_index: expected integers"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
