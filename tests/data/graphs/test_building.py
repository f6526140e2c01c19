import numpy as np
import pytest

from gradprobe.data.graphs import NodeSplit, build_node_dataset
from gradprobe.data.graphs.building import tidy_edges
from gradprobe.errors import InputError


def split(train=(0,), validation=(1,), test=(2,)):
    return NodeSplit(*(np.array(ids, dtype=np.int64) for ids in (train, validation, test)))


def build(**changes):
    given = {
        "features": np.eye(4),
        "edge_index": [[0, 1, 1, 2], [1, 0, 2, 1]],
        "labels": [0, 0, 1, 1],
        "splits": [split()],
    }
    return build_node_dataset("four", **{**given, **changes})


def test_a_tidy_graph_is_taken_as_it_is_but_for_its_isolated_nodes():
    dataset = build()
    assert (dataset.nodes, dataset.edges, dataset.classes) == (4, 2, 2)
    assert dataset.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert dataset.homophily == 0.5
    assert dataset.notes == ("1 node has no edge",)


def test_loops_repeats_and_one_way_edges_are_mended_and_said():
    edges, notes = tidy_edges([[3, 2, 0, 0, 0, 1], [3, 0, 2, 2, 1, 2]], nodes=4)
    assert edges.tolist() == [[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]]
    assert notes == (
        "1 self-loop left out",
        "1 repeated pair merged",
        "2 edges given in one direction made both",
    )


def test_edges_drawn_at_random_become_the_symmetric_adjacency():
    pairs = np.random.default_rng(0).integers(0, 30, size=(2, 200))
    edges, _ = tidy_edges(pairs, nodes=30)
    dense = np.zeros((30, 30), dtype=bool)
    dense[pairs[0], pairs[1]] = dense[pairs[1], pairs[0]] = True
    np.fill_diagonal(dense, False)
    assert np.array_equal(edges, np.argwhere(dense).T)


def test_nodes_without_label_are_said_and_no_part_of_homophily():
    dataset = build(labels=[0, 0, -1, 1], splits=[split(test=(3,))])
    assert dataset.homophily == 1.0
    assert "1 node has no label" in dataset.notes
    assert np.isnan(build(edge_index=[[2], [3]], labels=[0, 1, -1, 0], splits=[split(test=(3,))]).homophily)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge_index": [[0, 1], [1, 4]]}, r"nodes from 0 to 3, got the pair \(1, 4\) in column 1"),
        ({"edge_index": [[0, -1], [1, 2]]}, r"nodes from 0 to 3, got the pair \(-1, 2\)"),
        ({"edge_index": [[2], [2]]}, "at least one edge between two different nodes, got none"),
        ({"edge_index": np.zeros((2, 0))}, "at least one edge"),
        ({"edge_index": [[0, 1], [1, 2], [2, 3]]}, r"pairs of whole numbers \[2, E\], got shape \(3, 2\)"),
        ({"edge_index": [[0.0], [1.0]]}, "whole numbers"),
        ({"features": np.where(np.eye(4) + np.arange(4) == 4, np.nan, 1.0)}, "NaN or infinity at node 3"),
        ({"features": np.ones(4)}, r"a matrix \[nodes, features\]"),
        ({"labels": [0, 0, 1]}, "a whole number for each of 4 nodes"),
        ({"labels": [0.0, 1.0, np.nan, 1.0]}, "-1 where there is none"),
        ({"labels": [-1] * 4}, "at least one labelled node"),
        ({"labels": [0, -2, 1, 1]}, "got -2"),
        ({"labels": [0, 0, -1, 1]}, r"splits\[0\]: expected labelled test nodes, got node 2"),
        ({"splits": []}, "splits: expected at least one"),
        ({"splits": [split(), split(validation=())]}, r"splits\[1\]: expected validation nodes, got none"),
        ({"splits": [split(test=(4,))]}, "test nodes from 0 to 3, got 4"),
        ({"splits": [split(validation=(0, 1))]}, "every node once, got node 0 twice"),
    ],
)
def test_what_cannot_be_mended_is_refused_in_one_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)
