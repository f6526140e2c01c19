from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gradprobe.probes import GradientProbe
from gradprobe.trace import Trace
from tests import _oracles
from tests._zoo import Setup, zoo

EVERY_CASE = pytest.mark.parametrize("case", zoo(), ids=lambda case: case.name)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def _layers(probe: GradientProbe) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name, layer in zip(probe.shared.names, probe.shared.layer_of, strict=True):
        layers.setdefault(probe.shared.layers[layer], []).append(name)
    return layers


@EVERY_CASE
# The first batch of the case with disjoint rows happens to hold no focal row.
@pytest.mark.filterwarnings("ignore:focal. expected 'a' among the losses:UserWarning")
def test_a_minibatch_is_measured_as_one_forward_and_backward_a_task_would(case):
    setup = case.build()
    batch = next(iter(setup.loader))
    gradients = _oracles.task_gradients(setup.model, setup.losses, batch, seed=3)
    torch.manual_seed(3)
    losses = setup.losses(setup.model, batch)
    probe = GradientProbe(setup.model, focal="a", engine="loop")
    record = probe.measure(losses)
    oracle = _oracles.gramian_by_loops(gradients, _layers(probe))
    _oracles.assert_gramians_agree(record.gramian.values, oracle, TOLERANCE[case.dtypes[0]])
    losses = {task: loss for task, loss in losses.items() if loss.numel()}
    assert record.gramian.tasks == tuple(losses)
    assert record.gramian.rows == tuple(loss.numel() if loss.dim() else 0 for loss in losses.values())
    np.testing.assert_allclose(record.losses, [loss.mean().item() for loss in losses.values()], rtol=1e-6)


def _whole_split(setup: Setup, model: nn.Module, batches: list[Any]) -> dict[str, Tensor]:
    """The per-row losses of all batches in one graph; scalars weighted by their counts."""
    rows: dict[str, list[Tensor]] = {}
    counts: dict[str, int] = {}
    for batch in batches:
        for task, loss in setup.for_split(model, batch).items():
            mean, count = loss if isinstance(loss, tuple) else (None, len(loss))
            rows.setdefault(task, []).append(loss if mean is None else (mean * count)[None])
            counts[task] = counts.get(task, 0) + count
    return {task: torch.cat(parts).sum() / counts[task] for task, parts in rows.items()}


@EVERY_CASE
def test_a_split_is_measured_as_one_big_batch_in_eval_mode_would_be(case):
    setup = case.build()
    batches = list(setup.loader)
    gradients = _oracles.split_gradients(setup.model, lambda own: _whole_split(setup, own, batches))
    probe = GradientProbe(setup.model, focal="a")
    record = probe.measure_loader(batches, setup.for_split, split="heldout")
    order = {task: gradients[task] for task in record.gramian.tasks}
    oracle = _oracles.gramian_by_loops(order, _layers(probe))
    tolerance = 0.02 if case.name == "autocast" else TOLERANCE[case.dtypes[0]]
    _oracles.assert_gramians_agree(record.gramian.values, oracle, tolerance)


def _unequal_counts() -> tuple[nn.Module, Tensor, Any]:
    """A model, eleven rows, and losses with other missing labels a task and batch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Tanh(), nn.Linear(6, 3))
    data = torch.randn(11, 7)
    data[:6, 4], data[3, 5], data[::2, 6] = float("nan"), float("nan"), float("nan")

    def losses(model: nn.Module, rows: Tensor) -> dict[str, Tensor]:
        predictions, labels = model(rows[:, :4].double()), rows[:, 4:].double()
        known = labels.isfinite()
        return {
            task: (predictions[known[:, i], i] - labels[known[:, i], i]) ** 2 for i, task in enumerate("abc")
        }

    return model.double(), data, losses


def test_a_split_in_batches_is_the_split_in_one_batch_by_each_tasks_own_label_counts():
    model, data, losses = _unequal_counts()
    probe = GradientProbe(model, focal="a")
    whole = probe.measure_loader([data], losses, split="train")
    parts = probe.measure_loader(DataLoader(data, batch_size=4), losses, split="train")
    by_mean = probe.measure_loader(
        DataLoader(data, batch_size=4),
        lambda model, batch: {task: (loss.mean(), len(loss)) for task, loss in losses(model, batch).items()},
        split="train",
    )
    gradients = _oracles.split_gradients(model, lambda own: losses(own, data))
    oracle = _oracles.gramian_by_loops(gradients, _layers(probe))
    tasks = [whole.gramian.tasks.index(task) for task in "abc"]
    _oracles.assert_gramians_agree(whole.gramian.values[:, tasks][:, :, tasks], oracle, 1e-10)
    for record in (parts, by_mean):
        own = record.gramian.select(["a", "b", "c"])
        assert own.rows == (5, 10, 5)
        _oracles.assert_gramians_agree(own.values, oracle, 1e-10)
    assert whole.gramian.rows == (5, 10, 5)
    np.testing.assert_allclose(sorted(parts.losses), sorted(whole.losses))


def test_the_mean_of_batch_gradients_is_another_number():
    """What the split must not be; it fails the test above by far."""
    model, data, losses = _unequal_counts()
    probe = GradientProbe(model, focal="a")
    right = probe.measure_loader(DataLoader(data, batch_size=4), losses, split="train").gramian
    wrong = probe.measure_loader(
        DataLoader(data, batch_size=4),
        lambda model, batch: {
            task: (loss.mean(), 1) for task, loss in losses(model, batch).items() if len(loss)
        },
        split="train",
    ).gramian
    with pytest.raises(AssertionError):
        _oracles.assert_gramians_agree(wrong.values, right.values, 0.05)


def test_a_split_may_be_measured_before_training_and_leaves_heads_of_absent_tasks_alone():
    model, data, losses = _unequal_counts()
    record = GradientProbe(model, focal="a").measure_loader([data], losses, split="heldout")
    assert (record.step, record.split, record.epoch) == (-1, "heldout", None)
    assert model.training


def _two_tasks() -> tuple[nn.Module, dict[str, Tensor]]:
    model = nn.Linear(3, 2)
    output = model(torch.ones(4, 3))
    return model, {"a": output[:, 0], "b": output[:, 1] + output[:, 0]}


def test_every_counts_calls_and_measures_the_first():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model, every=3)
    measured = [probe.measure(losses, step=10 * call) is not None for call in range(7)]
    assert measured == [True, False, False, True, False, False, True]
    assert [record.step for record in probe.trace.gramians] == [0, 30, 60]
    assert probe.trace.header.every == 3


def test_a_skipped_call_looks_at_nothing():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model, every=2)
    probe.measure(losses)
    assert probe.measure({}) is None


def test_steps_count_on_from_the_last_one_named_skipped_ones_included():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model, every=2)
    batches = [torch.ones(2, 3)]

    def split(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {"a": model(batch)[:, 0], "b": model(batch)[:, 1]}

    probe.measure_loader(batches, split, split="heldout")
    for _ in range(3):
        probe.measure(losses)
    probe.measure_loader(batches, split, split="heldout")
    probe.measure(losses, step=50)
    probe.measure(losses)
    probe.measure_loader(batches, split, split="train", step=60, epoch=4)
    found = [(record.split, record.step, record.epoch) for record in probe.trace.gramians]
    assert found == [
        ("heldout", -1, None), ("minibatch", 0, None), ("minibatch", 2, None), ("heldout", 2, None),
        ("minibatch", 51, None), ("train", 60, 4),
    ]  # fmt: skip


def test_a_record_is_what_the_trace_holds():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model)
    record = probe.measure(losses, step=3, epoch=1)
    assert probe.trace.gramians == [record]
    assert (record.step, record.epoch, record.split) == (3, 1, "minibatch")
    np.testing.assert_allclose(record.gramian.total, [[4.0, 4.0], [4.0, 8.0]])


def test_tasks_without_rows_are_left_out_of_the_step():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model)
    record = probe.measure(losses | {"c": losses["a"][:0]})
    assert record.gramian.tasks == ("a", "b")
    probe.measure({"b": losses["b"], "c": losses["a"]})
    assert probe.trace.header.tasks == ("a", "b", "c")


def test_a_scalar_loss_counts_as_zero_rows_and_means_the_same():
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model)
    rows = probe.measure(losses).gramian
    scalars = probe.measure({task: loss.mean() for task, loss in losses.items()}).gramian
    _oracles.assert_gramians_agree(rows.values, scalars.values, 1e-6)
    assert (rows.rows, scalars.rows) == ((4, 4), (0, 0))


def test_the_header_describes_the_run(tmp_path):
    model, losses = _two_tasks()
    with GradientProbe(
        model, focal="b", shared=model, every=2, seed=9, batches="union", out=tmp_path / "trace"
    ) as probe:
        probe.measure(losses)
    header = Trace.load(tmp_path / "trace").header
    assert (header.focal, header.tasks, header.every) == ("b", ("a", "b"), 2)
    assert (header.seed, header.batches, header.dtype, header.device) == (9, "union", "float32", "cpu")
    assert set(header.versions) >= {"gradprobe", "torch", "numpy", "python"}
    assert header.created


def test_closing_writes_what_was_measured(tmp_path):
    model, losses = _two_tasks()
    probe = GradientProbe(model, focal="a", shared=model, out=tmp_path)
    probe.measure(losses)
    assert Trace.load(tmp_path).gramians == []
    probe.close()
    assert len(Trace.load(tmp_path).gramians) == 1


def test_the_package_hands_its_probe_on():
    import gradprobe

    assert gradprobe.GradientProbe is GradientProbe


def test_a_focal_task_that_is_not_among_the_losses_is_told_once():
    model = torch.nn.Linear(3, 2)
    probe = GradientProbe(model, focal="solubilty", shared=model)

    def losses():
        return dict(zip(("solubility", "logP"), model(torch.ones(4, 3)).square().mean(0), strict=True))

    with pytest.warns(UserWarning, match=r"focal: expected 'solubilty' among the losses, got \['solubility'"):
        probe.measure(losses())
    probe.measure(losses())
