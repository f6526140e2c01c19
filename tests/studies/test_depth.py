from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.data.graphs import load_graph
from gradprobe.errors import InputError
from gradprobe.geometry import components, looped_degrees, row_spread
from gradprobe.graphs import build_node_model
from gradprobe.records.depth import DepthKey, DepthOptions
from gradprobe.studies.depth import DepthWork, depth_config, run_depth
from gradprobe.studies.desk import Desk

SMALL = {"layers": (2, 5), "seeds": 1, "epochs": 4, "width": 8, "probe_every": 3}


def _options(**changed: object) -> DepthOptions:
    values = {
        "model": "gcn",
        "width": 8,
        "epochs": 4,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "probe_every": 3,
    }
    return DepthOptions(**{**values, **changed})  # fmt: skip


def test_each_option_adds_runs_beside_those_that_are_there_without_it():
    def variants(**options: object) -> list[str]:
        return list(dict.fromkeys(key.variant for key in depth_config(**options).runs()))

    assert variants() == ["plain"]
    assert variants(normalize=4) == ["plain", "plain, norm 4"]
    assert variants(residual=True) == ["plain", "residual"]
    assert variants(residual=True, normalize=4) == ["plain", "residual", "residual, norm 4"]
    keys = depth_config(layers=(8, 2, 8), seeds=2, residual=True).runs()
    assert [key.layers for key in keys] == [2] * 4 + [8] * 4
    assert len({key.id for key in keys}) == 8


@pytest.mark.parametrize("model", ["gcn", "gat"])
def test_a_run_is_that_of_a_plain_loop(model, tmp_path):
    data, options = load_graph("karate"), _options(model=model)
    found = DepthWork(data, options)(DepthKey(layers=5, residual=True, norm=3.0, seed=2), Desk(tmp_path))
    net = build_node_model(model, inputs=34, classes=4, width=8, layers=5, dropout=0.0, residual=True, seed=2)
    steps = torch.optim.Adam(net.parameters(), lr=0.01)
    split, labels = data.splits[2], torch.tensor(data.labels)
    x, edges = torch.tensor(data.features, dtype=torch.float32), torch.tensor(data.edge_index)
    x = x / x.sum(dim=1, keepdim=True)
    best, gradients = (-1.0, 0.0), []

    def normalise() -> None:
        with torch.no_grad():
            for conv in net.convs:
                conv.lin.weight *= 3.0 / conv.lin.weight.norm()

    normalise()
    for _ in range(4):
        states = net.representations(x, edges)
        right = (states[-1].argmax(dim=1) == labels).double()
        score = float(right[split.validation].mean()), float(right[split.test].mean())
        best = score if score[0] > best[0] else best
        loss = torch.nn.functional.cross_entropy(states[-1][split.train], labels[split.train])
        gradients.append(torch.autograd.grad(loss, states, retain_graph=True))
        steps.zero_grad()
        loss.backward()
        steps.step()
        normalise()
    assert (found.validation, found.test) == best
    assert found.measured == (0, 3)
    assert found.loss == pytest.approx(loss.item(), rel=1e-3)
    degrees, parts = looped_degrees(data.edge_index, 34), components(data.edge_index, 34)
    for row, epoch in enumerate((0, 3)):
        for layer in range(5):
            rows = gradients[epoch][layer].double().numpy()
            assert found.gradient.relative[row][layer] == pytest.approx(row_spread(rows).relative, rel=1e-2)
            assert found.gradient.norm[row][layer] == pytest.approx(np.linalg.norm(rows), rel=1e-2)
            smooth = row_spread(rows, degrees=degrees, groups=parts).relative
            assert found.gradient.smooth[row][layer] == pytest.approx(smooth, rel=1e-2)
    assert found.gradient.zero_rows[-1] == pytest.approx(30 / 34)


def test_a_run_that_diverges_is_stopped_measured_and_said(tmp_path):
    work = DepthWork(load_graph("karate"), _options(epochs=60, learning_rate=1e30))
    found = work(DepthKey(layers=4, residual=True, norm=None, seed=0), Desk(tmp_path))
    assert found.diverged == found.epochs - 1 < 59
    assert found.loss is None
    assert found.gradient.findings[-1] == "expansion"
    assert "no longer finite" in found.gradient.reasons[-1]
    assert 0.0 <= found.test <= 1.0


def test_the_same_folder_goes_on_with_more_depths_and_seeds_and_refuses_other_options(tmp_path):
    config = depth_config(dataset="karate", **SMALL)
    first = run_depth(config, tmp_path, jobs=1)
    kept = (tmp_path / "cells/plain-2-seed0/result.json").read_bytes()
    more = run_depth(config.model_copy(update={"layers": (2, 3), "normalize": 4.0}), tmp_path, jobs=1)
    assert first.depths == (2, 5)
    assert more.variants == ("plain", "plain, norm 4")
    assert (tmp_path / "cells/plain-2-seed0/result.json").read_bytes() == kept
    with pytest.raises(InputError, match="whose study differs in epochs"):
        run_depth(config.model_copy(update={"epochs": 5}), tmp_path, jobs=1)


def test_a_run_depends_on_its_key_alone(tmp_path):
    work = DepthWork(load_graph("sbm:0.7"), _options())
    key = DepthKey(layers=3, residual=True, norm=4.0, seed=1)
    one, two = (work(key, Desk(tmp_path / name)).model_copy(update={"seconds": 0.0}) for name in "ab")
    assert one == two


def test_the_command_runs_reports_and_says_what_it_found(tmp_path):
    arguments = "depth --layers 2,4 --residual --normalize 4 --seeds 1 --epochs 3 --width 8 --jobs 1 --out"
    result = CliRunner().invoke(app, [*arguments.split(), str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "At 4 layers, test accuracy is" in " ".join(result.output.split())
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": (1,)}, "layers: input should be greater than or equal to 2, got 1"),
        ({"layers": ("two",)}, "layers: input should be a valid integer"),
        ({"normalize": -1}, "normalize: input should be greater than 0, got -1"),
        ({"normalize": math.inf}, "normalize: input should be a finite number"),
        ({"model": "gin"}, "model: input should be 'gcn' or 'gat', got 'gin'"),
        ({"seeds": 0}, "seeds: input should be greater than or equal to 1"),
        ({"depths": 3}, "depths: expected one of the options"),
        ({"layers": ()}, "layers: tuple should have at least 1 item"),
    ],
)
def test_options_that_cannot_be_used_are_one_sentence(options, message):
    with pytest.raises(InputError, match=message):
        depth_config(**options)


def test_an_unknown_graph_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="name: expected one of"):
        run_depth(depth_config(dataset="coral"), tmp_path)
