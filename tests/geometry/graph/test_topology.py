import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry.graph import node_graph
from tests.geometry.graph._slow import EDGES, case

PAIRS = np.array(EDGES).T


def test_an_edge_is_one_edge_in_whatever_directions_it_is_given():
    once = node_graph(PAIRS, 10)
    for pairs in (np.hstack([PAIRS, PAIRS[::-1]]), PAIRS[::-1], np.hstack([PAIRS, PAIRS])):
        other = node_graph(pairs, 10)
        assert np.array_equal(other.edges, once.edges)
    assert once.edges.shape == (2, len(EDGES))
    assert np.array_equal(once.neighbours.toarray(), case().adjacency)


def test_a_self_loop_is_left_out():
    looped = node_graph(np.hstack([PAIRS, [[2, 9], [2, 9]]]), 10)
    assert np.array_equal(looped.neighbours.toarray(), case().adjacency)


def test_weights_make_the_adjacency_and_not_the_degrees():
    found = case(weighted=True)
    assert np.allclose(found.graph.adjacency.toarray(), found.adjacency)
    assert np.allclose(found.graph.strengths, found.adjacency.sum(axis=1))
    assert np.array_equal(found.graph.degrees, (found.adjacency > 0).sum(axis=1))
    assert np.array_equal(found.graph.neighbours.toarray(), found.adjacency > 0)


def test_neighbours_are_listed_in_order():
    graph = case().graph
    rows = graph.neighbours
    assert rows.indices[rows.indptr[4] : rows.indptr[5]].tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0], [2]], 2), "nodes from 0 to 1, got 0 to 2"),
        (([[-1], [1]], 2), "nodes from 0 to 1, got -1 to 1"),
        (([[0, 1, 1]], 3), r"pairs of whole numbers \[2, E\], got shape \(1, 3\)"),
        (([[0.0], [1.0]], 2), "whole numbers"),
        ((np.zeros((2, 0), dtype=int), 0), "nodes: expected at least one"),
    ],
)
def test_pairs_that_name_no_nodes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        node_graph(*arguments)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "for each of 2 pairs, got shape"),
        ([1.0, -1.0], "positive finite"),
        ([1.0, np.nan], "positive finite"),
        ([1.0, 2.0], "one weight an edge, got 1 and 2 for the edge 0-1"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        node_graph([[0, 1], [1, 0]], 2, weights=weights)


def test_a_graph_may_have_no_edge():
    graph = node_graph(np.zeros((2, 0), dtype=np.int64), 3)
    assert graph.degrees.tolist() == [0, 0, 0]
    assert graph.adjacency.nnz == 0
