"""Layers that no loss reaches are undefined, a whole trunk out of reach is an error."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe import report
from gradprobe.errors import MeasurementError
from gradprobe.geometry import NOT_REACHED, FoldProducts, TaskProducts
from gradprobe.probes import GradientProbe
from gradprobe.trace import Trace

ENGINES = pytest.mark.parametrize("engine", ["loop", "auto"])


class Experts(nn.Module):
    """A stem, two experts of which a batch uses some, a pooler that nothing uses, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem = nn.Linear(3, 4)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.pooler = nn.Linear(4, 4)
        self.heads = nn.ModuleDict({task: nn.Linear(4, 1) for task in "ab"})
        self.double()

    def losses(self, use, rows=12, seed=0):
        """Per-row losses of the tasks in `use`, task -> the number of its expert."""
        x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        stem = torch.tanh(self.stem(x))
        half = {"a": slice(0, rows // 2), "b": slice(rows // 2, rows)}
        return {
            task: (self.heads[task](torch.tanh(self.experts[number](stem[half[task]])))[:, 0] - 1).square()
            for task, number in use.items()
        }

    def trunk(self):
        return [*self.stem.parameters(), *self.experts.parameters(), *self.pooler.parameters()]


def oracle(model, losses):
    """Inner products by layer from one `autograd.grad` a task; None where neither task has a gradient."""
    found = {}
    for name, layer in (
        ("stem", model.stem),
        ("experts.0", model.experts[0]),
        ("experts.1", model.experts[1]),
        ("pooler", model.pooler),
    ):
        rows = []
        for loss in losses.values():
            own = torch.autograd.grad(
                loss.mean(), list(layer.parameters()), retain_graph=True, allow_unused=True
            )
            rows.append(own)
        if all(entry is None for row in rows for entry in row):
            found[name] = None
            continue
        flat = [
            torch.cat(
                [
                    torch.zeros(p.numel()).double() if g is None else g.flatten()
                    for g, p in zip(row, layer.parameters(), strict=True)
                ]
            )
            for row in rows
        ]
        found[name] = np.array([[float(x @ y) for y in flat] for x in flat])
    return found


@ENGINES
@pytest.mark.parametrize("use", [{"a": 0, "b": 0}, {"a": 0, "b": 1}], ids=str)
def test_layers_out_of_reach_are_undefined_and_totals_are_over_the_others(engine, use):
    model = Experts()
    losses = model.losses(use)
    probe = GradientProbe(model, focal="a", shared=model.trunk(), engine=engine)
    record = probe.measure(losses)
    expected = oracle(model, losses)
    assert record.gramian.layers == tuple(expected)
    for layer, values in zip(record.gramian.layers, record.gramian.values, strict=True):
        if expected[layer] is None:
            assert np.isnan(values).all()
        else:
            np.testing.assert_allclose(values, expected[layer], rtol=1e-10, atol=1e-15)
    reached = [layer for layer, values in expected.items() if values is not None]
    assert record.gramian.reached_layers == tuple(reached)
    np.testing.assert_allclose(record.gramian.total, sum(expected[layer] for layer in reached), rtol=1e-10)
    assert "no loss reaches" in record.note
    assert "pooler" in record.note
    assert f"over the other {len(reached)} of 4 layers" in record.note


def test_a_task_that_does_not_reach_what_another_reaches_has_a_gradient_of_zero_there_and_is_named():
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.trunk())
    record = probe.measure(model.losses({"a": 0, "b": 1}))
    values = dict(zip(record.gramian.layers, record.gramian.values, strict=True))
    assert values["experts.0"][1, 1] == 0.0 < values["experts.0"][0, 0]
    assert "'b' does not reach experts.0: a gradient of zero there" in record.note
    assert "'a' does not reach experts.1: a gradient of zero there" in record.note


def test_every_number_of_a_layer_out_of_reach_says_why_it_is_undefined(tmp_path):
    model = Experts()
    with GradientProbe(model, focal="a", shared=model.trunk(), out=tmp_path / "trace") as probe:
        for step in range(3):
            with probe.heldout():
                judge = model.losses({"a": 0}, seed=99)["a"]
            probe.measure(model.losses({"a": 0, "b": 0}, seed=step), rows="positions", heldout=judge)
    for frame in (probe.trace.frame(), Trace.load(tmp_path / "trace").frame()):
        idle = frame[frame.layer == "pooler"]
        assert set(idle.quantity) == {"norm", "cosine", "norm_ratio", "heldout_effect"}
        assert idle.value.isna().all()
        assert set(idle.reason) == {NOT_REACHED}
        assert (
            frame[frame.layer != "pooler"][lambda f: ~f.layer.str.startswith("experts")].value.notna().all()
        )
    report(probe.trace, tmp_path / "report.html")
    assert "pooler" in (tmp_path / "report.html").read_text()


def test_a_layer_that_only_held_out_rows_reach_is_no_layer_of_the_step():
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.trunk())
    with probe.heldout():
        judge = model.losses({"a": 1}, seed=9)["a"]
    losses = model.losses({"a": 0, "b": 0})
    with_judge = probe.measure(losses, heldout=judge).gramian
    without = GradientProbe(model, focal="a", shared=model.trunk()).measure(losses).gramian
    np.testing.assert_array_equal(with_judge.without_heldout().values, without.values)
    own = dict(zip(with_judge.layers, with_judge.values, strict=True))["experts.1"]
    assert np.isnan(own[:2]).all()
    assert own[2, 2] > 0.0
    assert np.isfinite(with_judge.total).all()


def test_windows_skip_the_steps_at_which_a_layer_is_out_of_reach():
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.trunk())
    uses = [{"a": 0, "b": 0}, {"a": 1, "b": 1}, {"a": 0, "b": 0}]
    for step, use in enumerate(uses):
        names = {"a": [f"{step}a{i}" for i in range(6)], "b": [f"{step}b{i}" for i in range(6)]}
        probe.measure(model.losses(use, seed=step), rows=names)
    gramians = [record.gramian for record in probe.trace.gramians]
    idle = TaskProducts.of(gramians, layer="experts.1")
    assert idle.present.tolist() == [[False, False], [True, True], [False, False]]
    assert np.isfinite(idle.values).all()
    folds = FoldProducts.of(gramians, layer="experts.1")
    assert np.isfinite(folds.values).all()
    assert (folds.rows.sum(axis=(1, 2)) > 0).tolist() == [False, True, False]
    assert TaskProducts.of(gramians).present.all()


@ENGINES
def test_a_trunk_that_no_loss_reaches_is_an_error_with_its_remedy(engine):
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.pooler, engine=engine)
    with pytest.raises(MeasurementError, match=r"got pooler that none of them does; .* with shared="):
        probe.measure(model.losses({"a": 0, "b": 0}))
    assert not probe.trace.gramians
    frozen = GradientProbe(model, focal="a", shared=model.stem, engine=engine)
    model.stem.requires_grad_(False)
    with pytest.raises(MeasurementError, match="they were frozen since; unfreeze them"):
        frozen.measure(model.losses({"a": 0, "b": 0}))


def test_losses_of_another_copy_of_the_model_are_refused():
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.trunk())
    own, other = model.losses({"a": 0, "b": 0}), copy.deepcopy(model).losses({"a": 0, "b": 0})
    with pytest.raises(MeasurementError, match=r"losses\['a'\]: expected a loss whose graph leads to"):
        probe.measure({"a": other["a"], "b": own["b"]})
    with pytest.raises(MeasurementError, match="another copy of the model"):
        probe.measure(other)


@ENGINES
def test_parameters_put_in_the_place_of_others_are_followed_by_name(engine):
    model = Experts()
    probe = GradientProbe(model, focal="a", engine=engine)
    first = probe.measure(model.losses({"a": 0, "b": 0})).gramian
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    again = probe.measure(model.losses({"a": 0, "b": 0}))
    np.testing.assert_allclose(again.gramian.values, first.values, rtol=1e-10)
    assert "parameters replaced since the last measurement, and followed by name" in again.note
    assert "replaced" not in probe.measure(model.losses({"a": 0, "b": 0})).note
    model.stem = nn.Linear(3, 4).double()
    losses = model.losses({"a": 0, "b": 0})
    swapped = probe.measure(losses)
    np.testing.assert_allclose(swapped.gramian.values[0], oracle(model, losses)["stem"], rtol=1e-10)
    assert "by name, in stem" in swapped.note


def test_parameters_swapped_between_the_forward_pass_and_the_measurement_are_an_error():
    model = Experts()
    probe = GradientProbe(model, focal="a", shared=model.stem)
    losses = model.losses({"a": 0, "b": 0})
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    with pytest.raises(MeasurementError, match=r"load_state_dict\(assign=True\)"):
        probe.measure(losses)


def test_layers_unfrozen_later_are_measured_or_named():
    model = Experts()
    model.stem.requires_grad_(False)
    probe = GradientProbe(model, focal="a", shared=model.trunk())
    late = GradientProbe(model, focal="a", shared=model.trunk())
    probe.measure(model.losses({"a": 0, "b": 0}))
    model.stem.requires_grad_(True)
    assert (
        "frozen when the trunk was chosen, and not measured: stem"
        in probe.measure(model.losses({"a": 0, "b": 0})).note
    )
    assert late.measure(model.losses({"a": 0, "b": 0})).gramian.layers[0] == "stem"


@ENGINES
@pytest.mark.parametrize("shared", ["stem", "auto"])
def test_a_loss_whose_gradient_is_made_in_a_hook_is_refused_before_it_writes_into_grad(engine, shared):
    model = Experts()
    losses = model.losses({"a": 0, "b": 0})
    cached = losses["a"].mean().detach().requires_grad_()
    cached.register_hook(lambda g: (model.losses({"a": 0})["a"].mean() * g).backward())
    probe = GradientProbe(model, focal="a", shared=model.stem if shared == "stem" else "auto", engine=engine)
    with pytest.raises(MeasurementError, match=r"losses\['a'\].*GradCache"):
        probe.measure({"a": cached / 2, "b": losses["b"]})
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_task_with_heads_of_its_own_alone_is_measured_as_zero_on_the_trunk():
    model = Experts()
    losses = model.losses({"a": 0, "b": 0})
    apart = model.heads["b"](torch.ones(1, 4).double()).square()[:, 0]
    record = GradientProbe(model, focal="a", shared=model.stem).measure({"a": losses["a"], "b": apart})
    assert record.gramian.total[1, 1] == 0.0
    assert "'b' does not reach stem" in record.note
