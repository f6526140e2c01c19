from pathlib import Path

import numpy as np
import pytest
import torch

from gradprobe.data.graphs import load_graph
from gradprobe.errors import InputError
from gradprobe.records.editing import METHODS, PROTOCOLS, EditOptions
from gradprobe.reports.editing.summary import EditSummary
from gradprobe.studies.editing import EditConfig, edit_config, run_edits
from gradprobe.studies.editing_models import train_model

SMALL = {"dataset": "karate", "edits": 3, "seeds": 1, "epochs": 5, "width": 4, "max_steps": 15, "anchors": 2}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> EditSummary:
    config = edit_config(**SMALL, models=("gcn",), methods=METHODS, protocols=PROTOCOLS)
    return run_edits(config, tmp_path_factory.mktemp("edit"), jobs=1)


def test_every_method_meets_every_protocol_on_the_same_targets(summary: EditSummary) -> None:
    assert not summary.failures
    (cell,) = summary.runs
    assert {(run.method, run.protocol) for run in cell.runs} == {(m, p) for m in METHODS for p in PROTOCOLS}
    for run in cell.runs:
        asked = [edit.asked for edit in run.edits]
        assert asked == ([3] if run.protocol == "batch" else [1, 1, 1])


def test_methods_start_from_the_same_trained_model(summary: EditSummary) -> None:
    (cell,) = summary.runs
    for kind in (("gd", "gre", "gre_plus"), ("egnn", "egnn_gre", "egnn_gre_plus")):
        assert len({run.before for run in cell.runs if run.method in kind}) == 1


def test_rewired_steps_oppose_no_anchor_and_plain_ones_are_not_rewired(summary: EditSummary) -> None:
    (cell,) = summary.runs
    for run in cell.runs:
        after = np.array([value for edit in run.edits for value in edit.cosines_after], dtype=float)
        if run.method.endswith("gre_plus"):
            assert (after[~np.isnan(after)] >= -1e-5).all()
        if run.method in {"gd", "egnn"}:
            assert all(edit.rewired == 0 for edit in run.edits)
            assert all(edit.cosines_before == edit.cosines_after for edit in run.edits)


def test_egnn_edits_a_perceptron_on_the_features(summary: EditSummary) -> None:
    (cell,) = summary.runs
    features = load_graph("karate").features.shape[1]
    sizes = {run.method: run.parameters for run in cell.runs}
    assert sizes["egnn"] == (features + 1) * 4 + 5 * load_graph("karate").classes
    assert cell.side_seconds is not None


def test_targets_are_predicted_wrongly_and_left_out_of_the_test_nodes() -> None:
    graph = load_graph("karate")
    options = EditOptions(**{name: getattr(EditConfig(**SMALL), name) for name in EditOptions.model_fields})
    trained = train_model("gcn", graph, options, seed=0)
    with torch.no_grad():
        predicted = trained.model(trained.x, trained.edge_index).argmax(dim=1)
    targets = torch.tensor(trained.targets)
    assert (predicted[targets] != trained.labels[targets]).all()
    assert not set(trained.targets) & (set(trained.train.tolist()) | set(trained.rest.tolist()))
    right = torch.tensor(trained.right)
    assert (predicted[right] == trained.labels[right]).all()
    state = torch.get_rng_state()
    again = train_model("gcn", graph, options, seed=0)
    assert again.targets == trained.targets
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_without_mistakes_leaves_its_reason(tmp_path: Path) -> None:
    options = {**SMALL, "dataset": "sbm:1.0", "epochs": 60, "width": 16}
    found = run_edits(edit_config(**options, methods=("gd",)), tmp_path / "out", jobs=1)
    assert not found.runs
    (reason,) = found.failures.values()
    assert "expected a wrong prediction outside training to put right, got none" in reason


def test_a_study_goes_on_with_more_seeds_and_refuses_other_options(tmp_path: Path) -> None:
    few = {**SMALL, "methods": ("gd",), "edits": 1, "max_steps": 2}
    run_edits(edit_config(**few), tmp_path / "out", jobs=1)
    assert len(run_edits(edit_config(**{**few, "seeds": 2}), tmp_path / "out", jobs=1).runs) == 2
    with pytest.raises(InputError, match="whose study differs in learning_rate"):
        run_edits(edit_config(**few, learning_rate=0.5), tmp_path / "out", jobs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("adam",)}, "methods: input should be 'gd', 'gre'"),
        ({"models": ()}, "models: tuple should have at least 1 item"),
        ({"edits": 0}, "edits: input should be greater than or equal to 1, got 0"),
        ({"learning_rate": float("inf")}, "learning_rate: input should be a finite number"),
        ({"editz": 3}, "editz: expected one of the options"),
    ],
)
def test_options_out_of_range_are_one_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        edit_config(**options)
