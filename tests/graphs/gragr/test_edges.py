import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.gragr import Edges
from gradprobe.graphs.gragr.edges import unit_rows

from . import _graphs as graphs


def test_sums_and_means_are_those_of_a_loop():
    values, edges = graphs.gradients(), graphs.edges()
    for node in range(graphs.NODES):
        around = values[graphs.neighbours(node)]
        torch.testing.assert_close(edges.neighbour_sum(values)[node], around.sum(0))
        mean = around.mean(0) if len(around) else torch.zeros(3, dtype=torch.float64)
        torch.testing.assert_close(edges.neighbour_mean(values)[node], mean)
    assert edges.degree.tolist() == [len(graphs.neighbours(node)) for node in range(graphs.NODES)]


def test_every_undirected_edge_counts_once():
    edges = graphs.edges()
    assert [tuple(pair) for pair in edges.index[:, edges.once].T.tolist()] == sorted(graphs.PAIRS)


def test_a_softmax_over_neighbours_survives_large_and_infinite_scores():
    edges = graphs.edges()
    scores = 1e4 * torch.arange(edges.sources.numel(), dtype=torch.float64)
    scores[edges.targets == 0] = -torch.inf
    weights = edges.softmax(scores)
    sums = torch.zeros(graphs.NODES, dtype=torch.float64).index_add(0, edges.targets, weights)
    expected = torch.tensor([float(0 < node < 8) for node in range(graphs.NODES)], dtype=torch.float64)
    torch.testing.assert_close(sums, expected)


@pytest.mark.parametrize(
    "pairs", [[[0, 0], [0, 0]], [[0, 1]], [[0, 1], [1, 0], [0, 1], [1, 0]], [[0, 1], [1, 2]]]
)
def test_loops_repetitions_and_single_directions_are_refused(pairs):
    with pytest.raises(InputError, match="both directions of every edge once"):
        Edges.of(torch.tensor(pairs).T, 3)


def test_a_graph_without_edges_has_sums_of_zero():
    edges = Edges.of(torch.empty(2, 0, dtype=torch.int64), 3)
    assert not edges.neighbour_mean(torch.ones(3, 2)).any()


def test_unit_rows_of_tiny_gradients_are_unit_and_zero_rows_pass_no_gradient():
    rows = torch.tensor([[3e-30, 4e-30], [0.0, 0.0]], requires_grad=True)
    unit = unit_rows(rows)
    torch.testing.assert_close(unit.detach(), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    (slope,) = torch.autograd.grad(unit[1].sum(), rows)
    assert not slope.any()
