from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gradprobe.cli import main
from gradprobe.data.graphs import build_node_dataset, load_graph
from gradprobe.errors import InputError
from gradprobe.geometry.kernel import graph_kernel, kernel_alignments
from gradprobe.gradients import all_parameters
from gradprobe.gradients.tangent import tangent_kernel
from gradprobe.graphs.models import build_node_model, graph_tensors
from gradprobe.graphs.propagation import ResidualPropagation
from gradprobe.records.dynamics import DynamicsKey, DynamicsOptions, DynamicsRun
from gradprobe.studies.desk import Desk
from gradprobe.studies.dynamics import DynamicsWork, dynamics_config, run_dynamics
from gradprobe.studies.dynamics_networks import checkpoint_epochs
from gradprobe.studies.dynamics_propagation import growth_of_odd_powers, propagate
from gradprobe.studies.identity import graph_digest

OPTIONS = DynamicsOptions(epochs=6, nodes=7, checkpoints=3, width=8, powers=(2, 4), steps=20)


@pytest.fixture(scope="module")
def karate():
    return load_graph("karate")


@pytest.fixture(scope="module")
def found(karate, tmp_path_factory) -> DynamicsRun:
    digest = graph_digest(karate)
    key = DynamicsKey(dataset="karate", digest=digest, seed=1)
    return DynamicsWork({("karate", digest): karate}, OPTIONS)(key, Desk(tmp_path_factory.mktemp("cell")))


def test_a_cell_measures_both_networks_at_every_checkpoint(found, karate):
    epochs = checkpoint_epochs(6, 3)
    assert [(p.network, p.epoch) for p in found.checkpoints] == [
        (network, epoch) for network in ("gcn", "mlp") for epoch in epochs
    ]
    assert [fit.method for fit in found.fits] == ["gcn", "mlp", "rp", "rp_kernel"]
    assert (found.sampled, found.graph.nodes, found.graph.name) == (7, 34, "karate")
    assert found.graph.homophily == karate.homophily
    assert all(fit.seconds > 0 for fit in found.fits)


def test_the_first_checkpoint_is_the_kernel_of_the_fresh_network(found, karate):
    """Recomputed from its parts: which nodes, which power of the graph, features in rows of sum one."""
    model = build_node_model("gcn", inputs=karate.features.shape[1], classes=karate.classes, width=8, seed=1)
    nodes = np.sort(np.random.default_rng(1).permutation(34)[:7])
    x, edges, _ = graph_tensors(karate)
    logits = model.eval()(torch.nn.functional.normalize(x, p=1.0, dim=1), edges)
    kernel = tangent_kernel(logits[nodes], all_parameters(model))
    graph = graph_kernel(karate.edge_index, 34, power=4)[np.ix_(nodes, nodes)]
    for flag, measured in ((True, found.checkpoints[0].centred), (False, found.checkpoints[0].uncentred)):
        expected = kernel_alignments(kernel, graph, karate.labels[nodes], centred=flag)
        for name, quantity in expected.quantities.items():
            assert getattr(measured, name) == pytest.approx(float(quantity), rel=1e-5)


def test_networks_are_trained_and_differ_by_what_they_see(found):
    for network in ("gcn", "mlp"):
        course = found.course(network)
        assert course[-1].loss < course[0].loss
    gcn, mlp = found.course("gcn")[0].centred, found.course("mlp")[0].centred
    assert gcn.kernel_graph != mlp.kernel_graph
    assert gcn.graph_target == mlp.graph_target


def test_a_cell_depends_on_its_seed_alone(found, karate, tmp_path):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    work = DynamicsWork({("karate", found.key.digest): karate}, OPTIONS)
    again = work(found.key, Desk(tmp_path / "a"))
    assert again.checkpoints == found.checkpoints
    assert [fit.test for fit in again.fits] == [fit.test for fit in found.fits]
    assert torch.equal(before, torch.get_rng_state())
    other = work(found.key.model_copy(update={"seed": 2}), Desk(tmp_path / "b"))
    assert other.checkpoints != found.checkpoints


def test_residual_propagation_takes_the_power_that_is_best_on_validation(karate):
    split = karate.splits[0]
    fit = next(iter(propagate(karate, split, OPTIONS)))
    links = np.zeros((34, 34))
    links[tuple(karate.edge_index)] = 1.0
    shown = np.full(34, -1)
    for part in (split.train, split.validation):
        shown[part] = karate.labels[part]
    models = {
        power: ResidualPropagation(power=power, iterations=20).fit(links, shown, validation=split.validation)
        for power in (2, 4)
    }
    best = max(models, key=lambda power: models[power].scores_.max())
    assert fit.power == best
    assert fit.validation == models[best].scores_.max()
    assert fit.test == models[best].score(split.test, karate.labels[split.test])


def test_labels_of_test_nodes_are_never_shown(karate):
    """Other test labels change the score and nothing else."""
    split = karate.splits[0]
    turned = karate.labels.copy()
    turned[split.test] = (turned[split.test] + 1) % karate.classes
    lying = build_node_dataset(
        "lying",
        features=karate.features,
        edge_index=karate.edge_index,
        labels=turned,
        splits=karate.splits,
    )
    honest, lied = (list(propagate(graph, split, OPTIONS)) for graph in (karate, lying))
    for own, other in zip(honest, lied, strict=True):
        assert other.test < 0.2 < own.test
        unchanged = {"validation", "power", "steps", "coverage"}
        assert other.model_dump(include=unchanged) == own.model_dump(include=unchanged)


def test_growth_of_odd_powers_is_that_of_the_training_nodes(karate):
    split = karate.splits[0]
    links = np.eye(34)
    links[tuple(karate.edge_index)] = 1.0
    links /= np.sqrt(np.outer(links.sum(1), links.sum(1)))
    expected = {}
    for power in (1, 3):
        inner = np.linalg.matrix_power(links, power)[np.ix_(split.train, split.train)]
        expected[power] = max(1.0, 1.0 - np.linalg.eigvalsh(inner)[0])
    assert growth_of_odd_powers(karate, split) == pytest.approx(expected)


def test_a_study_goes_on_where_it_stopped_and_takes_more_graphs(tmp_path, monkeypatch):
    config = dynamics_config(datasets=("karate",), seeds=1, epochs=2, nodes=5)
    first = run_dynamics(config, tmp_path, jobs=1)
    monkeypatch.setattr(DynamicsWork, "__call__", lambda self, key, desk: pytest.fail("ran again"))
    again = run_dynamics(config, tmp_path, jobs=1)
    assert again.graphs[0].runs == first.graphs[0].runs
    other = config.model_copy(update={"epochs": 3})
    with pytest.raises(InputError, match="differs in epochs"):
        run_dynamics(other, tmp_path, jobs=1)


def test_what_fails_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    def work(self: DynamicsWork, key: DynamicsKey, desk: Desk) -> DynamicsRun:
        raise InputError("features: expected something else")

    monkeypatch.setattr(DynamicsWork, "__call__", work)
    summary = run_dynamics(dynamics_config(datasets=("karate",), seeds=2), tmp_path, jobs=1)
    assert summary.graphs == ()
    assert set(summary.failures.values()) == {"features: expected something else"}


def test_other_data_of_the_same_name_is_another_cell(karate):
    changed = build_node_dataset(
        "karate",
        features=karate.features * 2,
        edge_index=karate.edge_index,
        labels=karate.labels,
        splits=karate.splits,
    )
    assert graph_digest(changed) != graph_digest(karate)
    assert graph_digest(load_graph("karate")) == graph_digest(karate)


def test_checkpoints_start_before_training_and_end_with_it():
    for epochs in (1, 2, 7, 200, 1000):
        found = checkpoint_epochs(epochs, 4)
        assert (found[0], found[-1]) == (0, epochs)
        assert found == sorted(set(found))


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["gradprobe", "dynamics", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    return leaving.value.code if isinstance(leaving.value.code, int) else 0


def test_the_command_writes_a_report(tmp_path: Path, monkeypatch, capsys):
    options = ("--seeds", 1, "--epochs", 1, "--nodes", 4, "--jobs", 1, "--out", tmp_path)
    assert _call(monkeypatch, "karate", *options) == 0
    assert "not testable here" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "name: expected one of"),
        (("karate,sbm:2",), "homophily: expected a share from 0 to 1, got 2.0"),
        (("karate", "--seeds", 0), "seeds: input should be greater than or equal to 1, got 0"),
        (("karate", "--nodes", 1), "nodes: input should be greater than or equal to 2, got 1"),
        (("karate", "--jobs", -1), "jobs: expected a number of cells"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    assert _call(monkeypatch, *arguments, "--out", tmp_path / "new") == 2
    said = capsys.readouterr().err
    assert said.startswith("gradprobe: ")
    assert message in said
    assert said.count("\n") == 1
