import math

import numpy as np
import pytest
import torch

from gradprobe import combiners
from gradprobe.errors import TrainingError
from gradprobe.geometry import Group
from gradprobe.probes import GradientProbe
from gradprobe.training import (
    ProbeObserver,
    TrainingData,
    TrainingOptions,
    predict,
    regression_metrics,
    train,
)
from gradprobe.training.stopping import EarlyStopping
from tests import _oracles
from tests.training._toys import TASKS, toy_data, toy_model, with_targets


def run(combiner="average", *, seed=0, data=None, model=None, observer=None, progress=None, **options):
    data = toy_data() if data is None else data
    model = toy_model(dropout=0.2) if model is None else model
    options = TrainingOptions(**{"epochs": 3, "batch_size": 10, "learning_rate": 1e-2, **options})
    result = train(
        model, data, combiners.get(combiner), options=options, seed=seed, observer=observer, progress=progress
    )
    return model, result


def parameters(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def equal(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("combiner", ["average", "pcgrad"])
@pytest.mark.parametrize("batching", ["balanced", "union"])
def test_training_learns_the_focal_task(combiner, batching):
    data = toy_data()
    model, result = run(combiner, data=data, model=toy_model(), batching=batching, epochs=40, patience=40)
    assert result.history[-1].losses["focal"] < 0.3 * result.history[0].losses["focal"]
    assert result.metrics["focal"].rae < 0.6
    rows = data.rows["test"]["focal"]
    train = data.labels("focal", data.rows["train"]["focal"])
    again = regression_metrics(data.labels("focal", rows), predict(model, data, "focal", rows), train=train)
    assert again == result.metrics["focal"]


@pytest.mark.parametrize("combiner", ["average", "pcgrad"])
def test_the_same_seed_gives_the_same_parameters_bit_for_bit(combiner):
    torch.manual_seed(1)
    first, one = run(combiner)
    torch.manual_seed(2)
    second, two = run(combiner)
    third, _ = run(combiner, seed=1)
    assert equal(parameters(first), parameters(second))
    assert not equal(parameters(first), parameters(third))
    assert one.history == two.history


def test_training_leaves_the_callers_random_state_alone():
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run()
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002


def test_initial_parameters_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = parameters(toy_model(seed=3))
    torch.manual_seed(2)
    assert equal(first, parameters(toy_model(seed=3)))
    assert not equal(first, parameters(toy_model(seed=4)))
    alone = toy_model(seed=3, tasks=("focal",))
    assert equal(first[:4], parameters(alone.encoder))


def test_one_epoch_by_hand_gives_the_same_parameters():
    """Adam on the mean of the tasks' losses; heads on their own, which is three times as much."""
    from gradprobe.training import TaskLosses, make_batches

    data, by_hand = toy_data(dtype=torch.float64), toy_model(dtype=torch.float64)
    model, _ = run(data=data, model=toy_model(dtype=torch.float64), epochs=1)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=1e-2)
    for batch in make_batches("balanced", data.rows["train"], focal="focal", batch_size=10, seed=0).epoch():
        optimizer.zero_grad()
        losses = TaskLosses(data)(by_hand, batch)
        (sum(rows.mean() for rows in losses.values()) / 3).backward()
        for parameter in by_hand.heads.parameters():
            parameter.grad *= 3
        optimizer.step()
    for mine, other in zip(parameters(model), parameters(by_hand), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


def test_the_learning_curve_counts_steps_and_averages_over_rows():
    data = toy_data()
    _, result = run(data=data, epochs=2)
    steps = math.ceil(len(data.rows["train"]["focal"]) / 10)
    assert [record.steps for record in result.history] == [steps, 2 * steps]
    assert result.steps == 2 * steps
    assert result.criterion == "rae"
    assert set(result.history[0].losses) == set(TASKS)
    assert result.seconds > 0


def test_training_stops_after_patience_and_returns_to_the_best_epoch():
    data = toy_data()
    model, result = run(data=data, learning_rate=0.3, epochs=200, patience=4)
    curve = [record.validation for record in result.history]
    assert len(curve) < 200
    assert result.best_epoch == int(np.argmin(curve))
    assert len(curve) == result.best_epoch + 1 + 4
    rows = data.rows["validation"]["focal"]
    restored = regression_metrics(data.labels("focal", rows), predict(model, data, "focal", rows))
    assert restored.rae == pytest.approx(curve[result.best_epoch], rel=1e-6)


@pytest.mark.parametrize(
    ("criterion", "scores", "best"),
    [("rae", [0.9, 0.7, 0.8], 1), ("auroc", [0.6, 0.9, 0.7], 1), ("rae", [0.9, 0.9, 0.9], 0)],
)
def test_better_is_smaller_for_errors_and_larger_for_auroc(criterion, scores, best):
    stopping = EarlyStopping(toy_model(), criterion, patience=2)
    stops = [stopping.update(epoch, score) for epoch, score in enumerate(scores)]
    assert stopping.best_epoch == best
    assert stops == [epoch - best >= 2 for epoch in range(3)]


def test_a_focal_classification_task_is_stopped_by_auroc():
    _, result = run(data=toy_data(kinds={"focal": "classification"}))
    assert result.criterion == "auroc"
    assert 0 <= result.metrics["focal"].auroc <= 1


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_validation_labels_without_a_spread_fall_back_on_the_absolute_error(kind):
    data = toy_data(kinds={"focal": kind})
    _, result = run(data=with_targets(data, "focal", data.rows["validation"]["focal"], 1.0))
    assert result.criterion == "absolute_error"
    assert all(math.isfinite(record.validation) for record in result.history)


@pytest.mark.parametrize("combiner", ["average", "pcgrad"])
def test_a_loss_that_is_not_finite_names_task_epoch_and_step(combiner):
    data = toy_data()
    infinite = with_targets(data, "small aux", data.rows["train"]["small aux"], np.inf)
    with pytest.raises(
        TrainingError, match=r"the loss of 'small aux': .* epoch 0, step 0; lower learning_rate"
    ):
        run(combiner, data=infinite)


def test_a_run_that_diverges_ends_with_an_error():
    with pytest.raises(TrainingError, match=r"epoch \d+, step \d+"):
        run(model=toy_model(), learning_rate=1e30, epochs=20)


def test_a_gradient_that_is_not_finite_is_located_too():
    model = toy_model()
    model.encoder.register_forward_hook(lambda _module, _inputs, output: output * InfiniteSlope.apply(output))
    with pytest.raises(TrainingError, match=r"got NaN or infinity in layer .*\(epoch 0, step 0\)"):
        run("pcgrad", model=model)


class InfiniteSlope(torch.autograd.Function):
    @staticmethod
    def forward(_context, inputs):
        return torch.ones_like(inputs)

    @staticmethod
    def backward(_context, gradient):
        return torch.full_like(gradient, torch.inf)


def test_one_task_alone_trains_too():
    _, result = run(data=toy_data().focal_alone(), model=toy_model(tasks=("focal",)))
    assert set(result.metrics) == {"focal"}


def test_progress_is_told_about_every_step():
    calls = []
    _, result = run(progress=lambda *call: calls.append(call))
    assert [call[2] for call in calls] == list(range(result.steps))
    assert {call[1] for call in calls} == {3}
    assert all(math.isfinite(call[3]) for call in calls)


def test_nothing_is_printed(capfd):
    run()
    assert capfd.readouterr() == ("", "")


class Watcher:
    def __init__(self):
        self.updates, self.epochs = [], []

    def before_update(self, losses, rows, step, epoch):
        assert {task: len(names) for task, names in rows.items()} == {t: len(v) for t, v in losses.items()}
        self.updates.append((epoch, step, {task: len(rows) for task, rows in losses.items()}))

    def end_of_epoch(self, epoch, step, *, last):
        self.epochs.append((epoch, step, last))


def test_an_observer_sees_every_update_and_every_epoch():
    watcher = Watcher()
    _, result = run(observer=watcher, epochs=3)
    assert [step for _, step, _ in watcher.updates] == list(range(result.steps))
    ends = [(record.epoch, record.steps - 1, record.epoch == 2) for record in result.history]
    assert watcher.epochs == [(-1, -1, False), *ends]


@pytest.mark.parametrize("batching", ["balanced", "union"])
@pytest.mark.parametrize("combiner", ["average", "pcgrad"])
def test_a_probed_run_equals_an_unprobed_one_bit_for_bit(batching, combiner):
    plain, one = run(combiner, batching=batching)
    data, model = toy_data(), toy_model(dropout=0.2)
    observer = ProbeObserver(model, data, probe_every=1, heldout_every=1, seed=0)
    probed, two = run(combiner, batching=batching, data=data, model=model, observer=observer)
    assert equal(parameters(plain), parameters(probed))
    assert one.history == two.history
    assert one.metrics == two.metrics


def test_what_is_probed_and_when():
    data, model = toy_data(), toy_model()
    observer = ProbeObserver(model, data, probe_every=2, heldout_every=2, seed=0, batches="balanced")
    _, result = run(data=data, model=model, observer=observer, epochs=5)
    trace = observer.trace
    assert trace.header.focal == "focal"
    assert trace.header.batches == "balanced"
    assert trace.header.layers == ("encoder.layers.0", "encoder.layers.3")
    steps = {
        split: [(record.epoch, record.step) for record in trace.gramians if record.split == split]
        for split in ("minibatch", "heldout", "train")
    }
    after = {record.epoch: record.steps - 1 for record in result.history}
    assert [step for _, step in steps["minibatch"]] == list(range(0, result.steps, 2))
    assert steps["heldout"] == [(-1, -1), (1, after[1]), (3, after[3]), (4, after[4])]
    assert steps["train"] == [(-1, -1), (4, after[4])]
    ranks = [record for record in trace.quantities if record.name == "effective_rank"]
    assert len(ranks) == 6


def test_a_probed_split_counts_every_label_of_every_task_once():
    data, model = toy_data(), toy_model()
    observer = ProbeObserver(model, data, probe_every=1, heldout_every=1, seed=0)
    observer.end_of_epoch(-1, -1, last=False)
    for split, fold in (("heldout", "validation"), ("train", "train")):
        (record,) = [record for record in observer.trace.gramians if record.split == split]
        expected = {task: len(rows) for task, rows in data.rows[fold].items()}
        assert dict(zip(record.gramian.tasks, record.gramian.by_task().rows, strict=True)) == expected
        assert {group.fold for group in record.gramian.groups} == {"A", "B"}


def test_steps_and_splits_with_one_task_are_not_probed():
    data, model = toy_data(), toy_model()
    rows = {fold: dict(tasks) for fold, tasks in data.rows.items()}
    for task in TASKS[1:]:
        rows["validation"][task] = rows["validation"][task][:0]
    observer = ProbeObserver(
        model, TrainingData(**{**vars(data), "rows": rows}), probe_every=1, heldout_every=1, seed=0
    )
    observer.before_update({"focal": torch.zeros(3, requires_grad=True)}, {"focal": np.arange(3)}, 0, 0)
    observer.end_of_epoch(-1, -1, last=False)
    assert [record.split for record in observer.trace.gramians] == ["train"]


@pytest.mark.parametrize("size", [5, 0])
def test_minibatches_are_judged_on_validation_molecules_which_take_turns(monkeypatch, size):
    data, model = toy_data(), toy_model(dropout=0.2)
    observer = ProbeObserver(model, data, probe_every=2, heldout_every=9, seed=0, heldout_rows=size)
    judged, measure = [], GradientProbe.measure

    def listen(probe, losses, *, heldout_rows, **others):
        if probe.due and heldout_rows is not None:
            judged.append([int(molecule) for molecule in heldout_rows])
        return measure(probe, losses, heldout_rows=heldout_rows, **others)

    monkeypatch.setattr(GradientProbe, "measure", listen)
    run(data=data, model=model, observer=observer, epochs=3)
    records = [record for record in observer.trace.gramians if record.split == "minibatch"]
    focal = data.rows["validation"]["focal"]
    if not size:
        assert not any(group.heldout for record in records for group in record.gramian.groups)
        return
    assert all(record.gramian.groups[-1] == Group("focal", "H") for record in records)
    assert all(record.gramian.tasks == TASKS for record in records)
    assert [record.gramian.rows[-1] for record in records] == [len(rows) for rows in judged]
    once = judged[: math.ceil(len(focal) / size)]
    assert sorted(molecule for rows in once for molecule in rows) == sorted(focal)
    assert judged[len(once)] != judged[0], "a new order"


def test_held_out_rows_leave_what_is_measured_of_the_minibatch_as_it_is():
    found = []
    for size in (0, 7):
        data, model = toy_data(), toy_model(dropout=0.2)
        observer = ProbeObserver(model, data, probe_every=1, heldout_every=9, seed=0, heldout_rows=size)
        run(data=data, model=model, observer=observer)
        found.append([record.gramian.without_heldout() for record in observer.trace.gramians])
    for plain, judged in zip(*found, strict=True):
        _oracles.assert_gramians_agree(plain.values, judged.values, 1e-6)


def test_splits_of_more_tasks_than_memory_holds_are_measured_for_those_with_most_labels(monkeypatch):
    from gradprobe.training import observe

    data, model = toy_data(), toy_model()
    trunk = sum(parameter.numel() for parameter in model.encoder.parameters())
    monkeypatch.setattr(observe, "_SPLIT_BYTES", 2 * 24 * trunk + 1)
    observer = ProbeObserver(model, data, probe_every=1, heldout_every=1, seed=0, batches="some")
    observer.end_of_epoch(-1, -1, last=False)
    observer.close()
    records = [record for record in observer.trace.gramians if record.split in ("train", "heldout")]
    assert records
    assert {group.task for record in records for group in record.gramian.groups} == {"focal", "big.aux"}
