import networkx
import numpy as np
import pytest
import torch

from gradprobe.data.graphs import load_graph, stochastic_block_model
from gradprobe.errors import InputError
from gradprobe.geometry.graph import conflict_flags, neighbour_mean, node_graph
from gradprobe.graphs.footprint import peak_tensor_memory
from gradprobe.graphs.gragr import ABLATION
from gradprobe.studies.nodes import NodesConfig, nodes_config, run_nodes
from gradprobe.studies.nodes_snapshot import clustering, principal_plane


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    graph = stochastic_block_model(homophily=0.3, seed=0)
    config = NodesConfig(seeds=2, epochs=6, trial_epochs=2, candidates=2, width=8, gragr={"warmup": 3})
    folder = tmp_path_factory.mktemp("study")
    return graph, config, folder, run_nodes(graph, config, folder, jobs=1)


def test_every_cell_is_scored_and_explains_itself(study):
    graph, config, folder, found = study
    assert not found.failures
    keys = config.keys()
    assert [run.key.id for run in found.runs] == [key.id for key in keys]
    for run in found.runs:
        assert sum(run.parts.values()) <= graph.nodes
        assert run.test.n == run.parts["test"]
        assert 0.0 <= run.test.accuracy <= 1.0
        assert len(run.history) == 6
        assert [len(trial.loss) for trial in run.trials] == [2, 2]
        finals = [trial.loss[-1] for trial in run.trials]
        assert run.chosen == int(np.argmin(finals))
        assert run.memory > 0
        assert (run.snapshot is not None) == (run.key.seed == 0)
        assert (folder / "cells" / run.key.id / "result.json").is_file()


def test_a_second_call_reads_what_is_there(study):
    graph, config, folder, found = study
    again = run_nodes(graph, config, folder, jobs=1)
    assert again.runs == found.runs
    with pytest.raises(InputError, match="epochs"):
        run_nodes(graph, config.model_copy(update={"epochs": 7}), folder, jobs=1)


def test_a_snapshot_holds_the_flags_of_both_moments(study):
    found = study[-1]
    for run in found.runs:
        if run.snapshot is None:
            continue
        snapshot = run.snapshot
        assert snapshot.after.epoch == run.best_epoch
        began = [row.epoch for row in run.history if row.reasoning]
        late = bool(began) and began[0] > 1
        assert snapshot.before.epoch == (began[0] - 1 if late else 1)
        assert len(snapshot.nodes) == len(snapshot.features) == len(snapshot.before.embedding)
        # A node in conflict has a negative alignment before the correction, one without has not.
        for flag, value in zip(snapshot.after.conflicting, snapshot.alignment_before, strict=True):
            assert flag == (value is not None and value < 0)


def test_the_star_is_a_node_in_conflict_with_its_neighbours(study):
    graph, _, _, found = study
    star = found.runs[0].snapshot.neighbourhood
    sources = graph.edge_index[0][graph.edge_index[1] == star.node]
    assert sorted(star.neighbours) == sorted(sources.tolist())
    assert sum(star.weights) == pytest.approx(1.0, abs=1e-2)


def test_the_flags_of_the_correction_are_those_of_the_geometry():
    from gradprobe.graphs.gragr import Correction, Edges

    graph = load_graph("karate")
    edges = Edges.of(torch.tensor(graph.edge_index), graph.nodes)
    gradient = torch.randn(graph.nodes, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shape = node_graph(graph.edge_index, graph.nodes)
    expected = conflict_flags(gradient.numpy(), neighbour_mean(gradient.numpy(), shape))
    np.testing.assert_array_equal(Correction()(gradient, edges).conflicting.numpy(), expected)


def test_the_ablation_adds_its_methods_once():
    config = NodesConfig(ablate=True)
    assert config.all_methods[:3] == ("base", "gragr", "gragr++")
    assert set(config.all_methods) == set(ABLATION)
    assert len(config.keys()) == 3 * len(ABLATION)


def test_numbers_of_gragr_reach_every_method_but_the_base():
    config = NodesConfig(gragr={"smoothing": 0.25})
    assert config.method("gragr-no-meta").smoothing == 0.25
    assert config.method("base").smoothing == NodesConfig().method("base").smoothing


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methods": ("base", "magic")}, "method: expected one of base"),
        ({"models": ("transformer",)}, "models: "),
        ({"gragr": {"smoothness": 1}}, "smoothness: "),
        ({"seeds": 0}, "seeds: "),
    ],
)
def test_options_that_cannot_be_used_are_told(values, message):
    with pytest.raises(InputError, match=message):
        nodes_config(**values)


def test_clustering_is_that_of_networkx():
    graph = load_graph("karate")
    expected = networkx.clustering(networkx.Graph(graph.edge_index.T.tolist()))
    found = clustering(node_graph(graph.edge_index, graph.nodes))
    for node, value in expected.items():
        if np.isnan(found[node]):
            assert value == 0
        else:
            assert found[node] == pytest.approx(value)


def test_the_plane_keeps_the_distances_of_a_plane():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(20, 2)) @ np.linalg.qr(generator.normal(size=(7, 2)))[0].T + 3.0
    plane = principal_plane(rows)
    np.testing.assert_allclose(
        np.linalg.norm(plane[0] - plane[1:], axis=1), np.linalg.norm(rows[0] - rows[1:], axis=1)
    )
    np.testing.assert_allclose(principal_plane(rows), principal_plane(rows + 5.0), atol=1e-9)


def test_the_peak_counts_sparse_tensors_by_what_they_hold():
    dense = torch.zeros(100, 100)
    dense[0, :10] = 1.0
    # Ten values of 4 bytes and two indices of 8 bytes each, and little else.
    assert 200 <= peak_tensor_memory(dense.to_sparse) < 4000


def test_the_peak_counts_tensors_alive_together_with_the_backward_pass():
    def forward():
        first = torch.zeros(1000)
        second = first + 1
        del first
        return second * 2

    assert peak_tensor_memory(forward) == 8000
    weight = torch.zeros(1000, requires_grad=True)

    def both():
        torch.autograd.backward((weight * weight).sum())

    assert peak_tensor_memory(both) >= 8000
