import copy
import csv
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

import gradprobe
from gradprobe.errors import InputError, MeasurementError
from gradprobe.trace import Trace
from tests import _oracles
from tests.integrations._trainers import THIRD_PARTY_WARNINGS, assert_same, make_trainer, state_of

pl = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
from gradprobe.integrations.lightning import GradientProbeCallback  # noqa: E402

pytestmark = THIRD_PARTY_WARNINGS
TASKS = ("a", "b", "c")


class Module(pl.LightningModule):
    """Batch norm, dropout, a stateful criterion and missing labels: whatever a probe could move."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(8, 3)
        self.scale = scale
        self.forwards = 0

    def task_losses(self, batch):
        self.forwards += 1
        x, y = batch
        z = self.head(self.trunk(x))
        known = ~y.isnan()
        return {
            task: self.scale * (z[known[:, k], k] - y[known[:, k], k]) ** 2 for k, task in enumerate(TASKS)
        }

    def training_step(self, batch, batch_idx):
        loss = torch.cat(list(self.task_losses(batch).values())).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.log("val_loss", torch.cat(list(self.task_losses(batch).values())).mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def data(rows=20, seed=0, missing=0.2):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 6, generator=generator)
    y = torch.stack([x[:, 0], x[:, 0] - x[:, 1], -x[:, 0]], dim=1)
    y[torch.rand(y.shape, generator=generator) < missing] = torch.nan
    return torch.utils.data.TensorDataset(x, y)


def loader(rows=20, seed=0, shuffle=False, **options):
    return torch.utils.data.DataLoader(data(rows, seed, **options), batch_size=5, shuffle=shuffle)


def fit(tmp_path, callback=None, kind=Module, **options):
    torch.manual_seed(0)
    module = kind()
    trainer = make_trainer(tmp_path, callback, **options)
    trainer.fit(module, loader(shuffle=True), loader(rows=8, seed=1))
    return trainer, module


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"inference_mode": False},
        {"precision": "bf16-mixed"},
        {"accumulate_grad_batches": 2},
        {"gradient_clip_val": 0.1, "num_sanity_val_steps": 0},
    ],
    ids=str,
)
def test_a_probed_run_is_the_unprobed_run_bit_for_bit(tmp_path, options):
    plain = state_of(*fit(tmp_path, **options))
    callback = GradientProbeCallback(focal="a", out=tmp_path / "trace")
    probed = state_of(*fit(tmp_path, callback, **options))
    assert_same(plain, probed)
    assert callback.trace.gramians


def test_a_probe_that_is_not_inert_is_caught_by_the_same_comparison(tmp_path, monkeypatch):
    @contextmanager
    def careless(*_, **__):
        with torch.inference_mode(False), torch.enable_grad():
            yield

    for place in ("integrations.lightning", "probes.gradient"):
        monkeypatch.setattr(f"gradprobe.{place}.inert", careless)
    plain = state_of(*fit(tmp_path))
    probed = state_of(*fit(tmp_path, GradientProbeCallback(focal="a")))
    with pytest.raises(AssertionError):
        assert_same(plain, probed)


def test_minibatches_are_measured_in_the_modules_own_forward_pass(tmp_path):
    _, plain = fit(tmp_path, limit_val_batches=0)
    callback = GradientProbeCallback(focal="a")
    _, probed = fit(tmp_path, callback, limit_val_batches=0)
    assert probed.forwards == plain.forwards
    assert [record.step for record in callback.trace.gramians] == list(range(8))
    assert [record.epoch for record in callback.trace.gramians] == [0] * 4 + [1] * 4


def test_the_numbers_are_those_of_a_plain_probe_on_the_first_batch(tmp_path):
    module = Module()
    module.trunk[3].p = 0.0
    twin = copy.deepcopy(module).train()
    callback = GradientProbeCallback(focal="a")
    make_trainer(tmp_path, callback, max_steps=1, limit_val_batches=0).fit(module, loader(), loader())

    probe = gradprobe.GradientProbe(twin, focal="a")
    expected = probe.measure(twin.task_losses(next(iter(loader()))))
    measured = callback.trace.gramians[0]
    _oracles.assert_gramians_agree(measured.gramian.values, expected.gramian.values, 1e-6)
    np.testing.assert_allclose(measured.losses, expected.losses, rtol=1e-6)
    assert measured.gramian.rows == expected.gramian.rows
    assert callback.trace.header.excluded == ("head",)


def test_heldout_is_the_whole_validation_split_in_eval_mode(tmp_path):
    callback = GradientProbeCallback(focal="a")
    _, module = fit(tmp_path, callback)
    last = callback.trace.gramians[-1]
    assert (last.split, last.step, last.epoch) == ("heldout", 7, 1)

    whole = torch.utils.data.DataLoader(data(rows=8, seed=1), batch_size=8)
    probe = gradprobe.GradientProbe(module, focal="a")
    expected = probe.measure_loader(whole, lambda model, batch: model.task_losses(batch), split="heldout")
    np.testing.assert_allclose(last.gramian.values, expected.gramian.values, rtol=1e-4, atol=1e-7)
    assert last.gramian.rows == expected.gramian.rows


def test_the_sanity_check_is_left_out_and_heldout_every_counts_validation_loops(tmp_path):
    counts = []
    for every in (1, 2, 0):
        callback = GradientProbeCallback(focal="a", heldout_every=every)
        fit(tmp_path, callback, num_sanity_val_steps=1, max_epochs=3)
        heldout = [record for record in callback.trace.gramians if record.split == "heldout"]
        counts.append([record.epoch for record in heldout])
    assert counts == [[0, 1, 2], [0, 2], []]


def test_several_validation_loaders_and_their_limits_make_one_heldout_split(tmp_path):
    callback = GradientProbeCallback(focal="a")
    trainer = make_trainer(tmp_path, callback, max_epochs=1, limit_val_batches=1)
    loaders = [loader(10, seed=1, missing=0.0), loader(15, seed=2, missing=0.0)]
    trainer.fit(Module(), loader(), loaders)
    assert callback.trace.gramians[-1].gramian.rows == (10, 10, 10)  # one batch of five from each


def test_every_counts_optimiser_steps_and_accumulated_batches_are_measured_once(tmp_path):
    callback = GradientProbeCallback(focal="a", every=2)
    fit(tmp_path, callback, limit_val_batches=0, accumulate_grad_batches=2, max_epochs=3)
    assert [record.step for record in callback.trace.gramians] == [0, 2, 4]
    assert callback.trace.header.every == 2


def test_losses_are_measured_as_they_are_under_a_loss_scaler(tmp_path):
    callback = GradientProbeCallback(focal="a")
    fit(tmp_path, callback, precision="bf16-mixed", limit_val_batches=0)
    scaled = GradientProbeCallback(focal="a")
    fit(tmp_path, scaled, precision="bf16-mixed", limit_val_batches=0, accumulate_grad_batches=4)
    first, other = callback.trace.gramians[0], scaled.trace.gramians[0]
    _oracles.assert_gramians_agree(first.gramian.values, other.gramian.values, 1e-6)


class Manual(Module):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimiser = self.optimizers()
        losses = self.task_losses(batch)
        optimiser.zero_grad()
        self.manual_backward(losses["a"].mean(), retain_graph=True)
        self.manual_backward(losses["b"].mean() + losses["c"].mean())
        optimiser.step()


def test_manual_optimisation_is_measured_before_its_first_backward(tmp_path):
    callback = GradientProbeCallback(focal="a", out=tmp_path / "trace")
    probed = state_of(*fit(tmp_path, callback, Manual))
    plain = state_of(*fit(tmp_path, kind=Manual))
    assert_same(plain, probed)
    steps = [record.step for record in callback.trace.gramians if record.split == "minibatch"]
    assert steps == list(range(8))


def test_training_resumed_from_a_checkpoint_goes_on_counting_in_a_new_trace(tmp_path):
    first = GradientProbeCallback(focal="a")
    trainer, _ = fit(tmp_path, first)
    trainer.save_checkpoint(tmp_path / "last.ckpt")

    second = GradientProbeCallback(focal="a")
    trainer = make_trainer(tmp_path, second, max_epochs=3)
    trainer.fit(Module(), loader(shuffle=True), loader(rows=8, seed=1), ckpt_path=tmp_path / "last.ckpt")
    assert [record.step for record in second.trace.gramians if record.split == "minibatch"] == [8, 9, 10, 11]
    assert second.trace.gramians[-1].epoch == 2
    assert {first.trace.path, second.trace.path} == {
        tmp_path / "gradient_trace",
        tmp_path / "gradient_trace-1",
    }


def test_the_trace_is_written_beside_the_loggers_files_and_the_csv_holds_the_cosines(tmp_path):
    callback = GradientProbeCallback(focal="a")
    logger = pl.loggers.CSVLogger(tmp_path)
    fit(tmp_path, callback, logger=logger, max_epochs=1)
    with open(f"{logger.log_dir}/metrics.csv", encoding="utf-8") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    trace = Trace.load(f"{logger.log_dir}/gradient_trace")
    table = trace.frame()
    for split, step in (("minibatch", 2), ("heldout", 3)):
        shown = [row for row in rows if row[f"gradprobe/{split}/cosine/b"] and int(row["step"]) == step]
        stored = table[
            (table.quantity == "cosine")
            & (table.layer == "")
            & (table.step == step)
            & (table.split == split)
            & (table.task == "a")
            & (table.other == "b")
        ]
        assert float(shown[0][f"gradprobe/{split}/cosine/b"]) == pytest.approx(stored.value.item(), abs=1e-12)


def test_tensorboard_receives_the_same_names(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callback = GradientProbeCallback(focal="a")
    logger = pl.loggers.TensorBoardLogger(tmp_path)
    fit(tmp_path, callback, logger=logger, max_epochs=1)
    logger.finalize("success")
    events = EventAccumulator(logger.log_dir).Reload()
    assert [event.step for event in events.Scalars("gradprobe/minibatch/cosine/b")] == [0, 1, 2, 3]
    assert [event.step for event in events.Scalars("gradprobe/heldout/cosine/b")] == [3]


def test_a_trainer_of_pytorch_lightning_takes_the_callback_too(tmp_path):
    other = pytest.importorskip("pytorch_lightning", reason="pytorch_lightning is not installed")
    methods = ("task_losses", "training_step", "validation_step", "configure_optimizers")
    kind = type("Other", (other.LightningModule,), {name: vars(Module)[name] for name in methods})
    module = kind()
    module.trunk, module.head = nn.Linear(6, 8), nn.Linear(8, 3)
    module.scale, module.forwards = 1.0, 0
    callback = GradientProbeCallback(focal="a")
    trainer = make_trainer(tmp_path, callback, package=other, max_epochs=1)
    trainer.fit(module, loader(), loader(rows=8, seed=1))
    assert [record.split for record in callback.trace.gramians] == ["minibatch"] * 4 + ["heldout"]


def test_a_batch_with_labels_of_fewer_than_two_tasks_is_not_measured(tmp_path):
    sparse = data(10, missing=0.0)
    sparse.tensors[1][:5, 1:] = torch.nan  # the first of two batches knows the focal task only
    callback = GradientProbeCallback(focal="a")
    trainer = make_trainer(tmp_path, callback, max_epochs=2, limit_val_batches=0)
    trainer.fit(Module(), torch.utils.data.DataLoader(sparse, batch_size=5), loader())
    assert [record.step for record in callback.trace.gramians] == [1, 3]


def test_a_step_that_never_computes_the_losses_says_where_they_are_expected(tmp_path):
    class Silent(Module):
        def training_step(self, batch, batch_idx):
            return self.head(self.trunk(batch[0])).square().mean()

    with pytest.raises(InputError, match=r"training step of Silent .* got a step that did not"):
        fit(tmp_path, GradientProbeCallback(focal="a"), Silent)


def test_a_module_without_the_named_method_is_refused_with_the_remedy(tmp_path):
    callback = GradientProbeCallback(focal="a", losses="per_task")
    with pytest.raises(InputError, match=r"expected a method of Module .* got 'per_task'; move the losses"):
        fit(tmp_path, callback)


def test_losses_that_are_no_mapping_or_one_task_only_are_refused(tmp_path):
    class Listing(Module):
        def task_losses(self, batch):
            return list(super().task_losses(batch).values())

        def training_step(self, batch, batch_idx):
            return torch.cat(self.task_losses(batch)).mean()

        validation_step = None

    class Single(Module):
        def task_losses(self, batch):
            return {"a": super().task_losses(batch)["a"]}

    with pytest.raises(InputError, match="expected a mapping task -> loss, got list"):
        make_trainer(tmp_path, GradientProbeCallback(focal="a")).fit(Listing(), loader())
    with pytest.raises(InputError, match="expected at least two tasks, got \\['a'\\]"):
        fit(tmp_path, GradientProbeCallback(focal="a"), Single, num_sanity_val_steps=0)


def test_an_exception_leaves_the_module_as_it_was_and_the_trace_readable(tmp_path):
    module = Module(scale=float("nan"))
    before = sorted(vars(module))
    callback = GradientProbeCallback(focal="a")
    with pytest.raises(MeasurementError, match="expected finite losses, got NaN"):
        fit(tmp_path, callback, lambda: module, num_sanity_val_steps=0)
    assert "task_losses" not in vars(module)
    assert set(before) <= set(vars(module))
    assert Trace.load(tmp_path / "gradient_trace").header.focal == "a"


def test_a_method_that_the_module_set_itself_is_given_back(tmp_path):
    module = Module()
    own = module.task_losses
    module.task_losses = own
    fit(tmp_path, GradientProbeCallback(focal="a"), lambda: module)
    assert vars(module)["task_losses"] is own


def test_before_training_there_is_no_trace():
    with pytest.raises(InputError, match=r"expected a call after trainer\.fit"):
        _ = GradientProbeCallback(focal="a").trace
    with pytest.raises(InputError, match="heldout_every: expected a count from 0 on, got -1"):
        GradientProbeCallback(focal="a", heldout_every=-1)


def _molecules(batch):
    """Ids that do not depend on the batch: the first feature names the molecule."""
    x, y = batch
    return {task: x[~y[:, k].isnan(), 0].tolist() for k, task in enumerate(TASKS)}


def test_named_molecules_split_minibatches_and_the_held_out_split_into_folds(tmp_path):
    plain = state_of(*fit(tmp_path))
    callback = GradientProbeCallback(focal="a", rows=_molecules, every=2)
    _, module = trained = fit(tmp_path, callback)
    assert_same(plain, state_of(*trained))
    assert {record.split for record in callback.trace.gramians} == {"minibatch", "heldout"}
    assert all(record.gramian.folded for record in callback.trace.gramians)
    last = callback.trace.gramians[-1].gramian
    probe = gradprobe.GradientProbe(module, focal="a")
    expected = probe.measure_loader(
        torch.utils.data.DataLoader(data(rows=8, seed=1), batch_size=8),
        lambda model, batch: model.task_losses(batch),
        split="heldout",
        rows=_molecules,
    ).gramian
    at = [last.groups.index(group) for group in expected.groups]
    np.testing.assert_allclose(last.values[:, at][:, :, at], expected.values, rtol=1e-4, atol=1e-7)


def test_positions_are_molecules_where_every_task_has_a_loss_on_every_row(tmp_path):
    for missing, folded in ((0.0, True), (0.3, False)):
        callback = GradientProbeCallback(focal="a", rows="positions")
        torch.manual_seed(0)
        trainer = make_trainer(tmp_path, callback, max_epochs=1)
        trainer.fit(Module(), loader(missing=missing), loader(rows=10, seed=1, missing=missing))
        records = callback.trace.gramians
        assert all(record.gramian.folded for record in records) == folded
        assert any("no folds" in record.note for record in records) != folded
