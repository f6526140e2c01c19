import networkx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from gradprobe.errors import InputError
from gradprobe.graphs.multitask import (
    PROPERTIES,
    TASKS,
    GraphEncoder,
    load_graph_set,
    make_graph_set,
    molecule_graph_set,
)


def graphs(count=20, seed=0):
    found = []
    for place in range(count):
        drawn = networkx.gnp_random_graph(6 + place % 5, 0.4, seed=seed + place)
        both = [(u, v) for u, v in drawn.edges] + [(v, u) for u, v in drawn.edges]
        found.append(
            Data(
                x=torch.ones(len(drawn), 2),
                edge_index=torch.tensor(both).T,
                num_nodes=len(drawn),
                drawn=drawn,
            )
        )
    return found


def test_the_properties_are_those_of_networkx():
    for graph in graphs():
        drawn, edges = graph.drawn, graph.edge_index.numpy()
        found = {name: measure(edges, len(drawn)) for name, measure in PROPERTIES.items()}
        assert found["size"] == len(drawn)
        assert found["mean_degree"] == pytest.approx(np.mean([degree for _, degree in drawn.degree]))
        assert found["rings"] == len(networkx.cycle_basis(drawn))
        assert found["assortativity"] == pytest.approx(networkx.degree_assortativity_coefficient(drawn))


def test_a_regular_graph_has_no_assortativity():
    cycle = np.array([[0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2]])
    assert np.isnan(PROPERTIES["assortativity"](cycle, 3))
    assert np.isnan(PROPERTIES["assortativity"](np.zeros((2, 0), dtype=np.int64), 3))


def test_tasks_are_above_the_median_of_the_training_graphs_alone():
    data = make_graph_set("drawn", graphs(), np.tile([0.0, 1.0], 10))
    data.values[3, 4] = np.nan
    train = np.arange(10)
    targets = data.targets(train)
    np.testing.assert_array_equal(targets[:, 0], data.values[:, 0])
    assert np.isnan(targets[3, 4])
    for place in range(1, 5):
        median = np.nanmedian(data.values[:10, place])
        defined = ~np.isnan(data.values[:, place])
        np.testing.assert_array_equal(targets[defined, place], data.values[defined, place] > median)
    data.values[15, 1] = 1e9
    np.testing.assert_array_equal(data.targets(train)[:10], targets[:10])


def test_splits_keep_the_shares_of_the_label_and_share_no_graph():
    data = make_graph_set("drawn", graphs(50), np.repeat([0.0, 1.0], [40, 10]))
    parts = data.split(3)
    assert [len(part) for part in parts] == [30, 10, 10]
    assert sorted(np.concatenate(parts).tolist()) == list(range(50))
    assert [int(data.values[part, 0].sum()) for part in parts] == [6, 2, 2]
    np.testing.assert_array_equal(parts[0], data.split(3)[0])
    assert not np.array_equal(parts[0], data.split(4)[0])


def test_molecules_are_one_hot_and_those_without_bonds_are_told():
    data = molecule_graph_set("two", ["CCO", "[Na+]", "c1ccccc1"], [1, 0, 0])
    assert len(data) == 2
    assert data.notes == ("1 molecules without a bond left out",)
    assert data.values[:, 0].tolist() == [1.0, 0.0]
    assert data.values[1, TASKS.index("rings")] == 1.0
    assert set(data.graphs[0].x.sum(1).tolist()) == {9.0}


def test_what_cannot_be_used_is_told():
    with pytest.raises(InputError, match="name: expected one of mutag, proteins; got 'zinc'"):
        load_graph_set("zinc")
    with pytest.raises(InputError, match="labels: expected 0 or 1"):
        make_graph_set("drawn", graphs(3), np.array([0.0, 1.0, 2.0]))


def test_the_encoder_sees_size_and_no_graph_sees_another():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = GraphEncoder(2, width=8, depth=2, nodes=5.0)
    few = graphs(4)
    for graph in few:
        del graph.drawn
    together = encoder(Batch.from_data_list(few))
    for place, graph in enumerate(few):
        torch.testing.assert_close(encoder(Batch.from_data_list([graph]))[0], together[place])
    pair = Data(x=torch.ones(2, 2), edge_index=torch.tensor([[0, 1], [1, 0]]))
    edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    pairs = Data(x=torch.ones(4, 2), edge_index=edges)
    one, two = encoder(Batch.from_data_list([pair, pairs]))
    assert not torch.allclose(one, two)
