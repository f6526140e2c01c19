import numpy as np
import pytest
import torch

from gradprobe.data import TaskLabels
from gradprobe.training import TaskLosses, TrainingData, evaluate, make_batches, predict
from gradprobe.training.losses import one_sided_squares
from tests.training._toys import TASKS, toy_data, toy_model

MIXED = {"big.aux": "classification"}


@pytest.mark.parametrize("kind", ["balanced", "union"])
def test_row_losses_are_those_of_a_loop_over_labels(kind):
    data, model = toy_data(kinds=MIXED), toy_model()
    batches = make_batches(kind, data.rows["train"], focal="focal", batch_size=10, seed=0)
    for batch in batches.epoch():
        found = TaskLosses(data)(model, batch)
        assert list(found) == [task for task in TASKS if task in batch.positions]
        for task, losses in found.items():
            head = model.heads[TASKS.index(task)]
            for loss, molecule in zip(losses, batch.rows(task), strict=True):
                output = head(model.encoder(data.features.values[molecule])).item()
                target = data.targets[task].at(np.array([molecule]))[0].item()
                if task == "big.aux":
                    probability = 1 / (1 + np.exp(-output))
                    expected = -np.log(probability if target else 1 - probability)
                else:
                    expected = (output - target) ** 2
                assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_missing_labels_never_reach_a_gradient():
    data, model = toy_data(), toy_model()
    assert any(len(own.rows) < len(data.features) for own in data.targets.values())
    for batch in make_batches("union", data.rows["train"], focal="focal", batch_size=10, seed=0).epoch():
        sum(losses.sum() for losses in TaskLosses(data)(model, batch).values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_predictions_are_in_the_unit_of_the_labels():
    data, model = toy_data(kinds=MIXED), toy_model()
    rows = data.rows["test"]["small aux"]
    with torch.no_grad():
        outputs = model.heads[2](model.encoder(data.features.batch(rows)))[:, 0].numpy()
    np.testing.assert_allclose(predict(model, data, "small aux", rows), outputs * 40 + 100, rtol=1e-5)
    probabilities = predict(model, data, "big.aux", data.rows["test"]["big.aux"])
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_predicting_in_chunks_changes_nothing(monkeypatch):
    data, model = toy_data(), toy_model()
    rows = data.rows["train"]["big.aux"]
    whole = predict(model, data, "big.aux", rows)
    monkeypatch.setattr("gradprobe.training.evaluation.CHUNK", 7)
    np.testing.assert_allclose(predict(model, data, "big.aux", rows), whole, rtol=1e-6)


def test_evaluation_leaves_modes_random_state_and_gradients_alone():
    data, model = toy_data(), toy_model(dropout=0.5)
    model.train()
    model.encoder.layers[2].eval()
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    first = evaluate(model, data, "validation")
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert evaluate(model, data, "validation") == first


def test_every_task_is_scored_on_its_own_labels():
    data, model = toy_data(kinds=MIXED), toy_model()
    found = evaluate(model, data, "test")
    assert {task: found[task].n for task in TASKS} == {
        task: len(rows) for task, rows in data.rows["test"].items()
    }
    labels = data.labels("focal", data.rows["test"]["focal"])
    predictions = predict(model, data, "focal", data.rows["test"]["focal"])
    expected = np.abs(labels - predictions).sum() / np.abs(labels - labels.mean()).sum()
    assert found["focal"].rae == pytest.approx(expected)
    assert found["big.aux"].auroc == pytest.approx(found["big.aux"].auroc)
    assert np.isnan(found["big.aux"].rae)


def test_a_bound_costs_what_lies_beyond_it_and_nothing_else():
    outputs = [-2.0, -0.5, 0.0, 0.3, 4.0]
    for bound in (-1, 0, 1):
        for target in (-1.0, 0.25):
            output = torch.tensor(outputs, dtype=torch.float64, requires_grad=True)
            bounds = torch.full((5,), bound, dtype=torch.int8)
            losses = one_sided_squares(output, torch.full((5,), target, dtype=torch.float64), bounds)
            losses.sum().backward()
            for value, loss, slope in zip(outputs, losses, output.grad, strict=True):
                met = (bound == -1 and value <= target) or (bound == 1 and value >= target)
                assert loss.item() == pytest.approx(0.0 if met else (value - target) ** 2)
                assert slope.item() == pytest.approx(0.0 if met else 2 * (value - target))


def test_one_sided_squares_have_the_gradient_of_their_differences():
    rng = np.random.default_rng(0)
    bounds = torch.tensor([-1, 0, 1] * 4, dtype=torch.int8)
    target = torch.tensor(rng.normal(size=12))
    output = torch.tensor(rng.normal(size=12), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: one_sided_squares(x, target, bounds), (output,))


def test_bounds_reach_the_loss_of_their_own_rows():
    data, model = toy_data(), toy_model()
    own = data.targets["big.aux"]
    bounds = np.where(np.arange(len(own.rows)) % 2, 1, -1).astype(np.int8)
    bounded = TrainingData(
        **{**vars(data), "targets": {**data.targets, "big.aux": TaskLabels(own.rows, own.values, bounds)}}
    )
    batch = next(make_batches("union", data.rows["train"], focal="focal", batch_size=40, seed=0).epoch())
    losses = TaskLosses(bounded)(model, batch)["big.aux"]
    head = model.heads[TASKS.index("big.aux")]
    for loss, molecule in zip(losses, batch.rows("big.aux"), strict=True):
        error = head(model.encoder(data.features.values[molecule])).item() - own.values[molecule]
        met = error >= 0 if molecule % 2 else error <= 0
        assert loss.item() == pytest.approx(0.0 if met else error**2, rel=1e-4, abs=1e-6)
