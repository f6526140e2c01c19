import numpy as np
import pytest
import torch

from gradprobe import combiners
from gradprobe.errors import InputError
from gradprobe.training import CombinedUpdate, TaskLosses, make_batches
from tests.training._toys import TASKS, toy_data, toy_model


def losses_of_one_step(model, data, kind="balanced", batch_size=8, step=0):
    batches = make_batches(kind, data.rows["train"], focal="focal", batch_size=batch_size, seed=1)
    batch = list(batches.epoch())[step]
    return {task: rows.mean() for task, rows in TaskLosses(data)(model, batch).items()}


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def obvious_update(model, losses, combiner):
    """Flatten, multiply, combine, cut up again: no engine, no Gramian per layer."""
    trunk = list(model.encoder.parameters())
    rows = {
        task: torch.cat([g.flatten() for g in torch.autograd.grad(loss, trunk, retain_graph=True)])
        for task, loss in losses.items()
    }
    size = sum(parameter.numel() for parameter in trunk)
    J = torch.stack([rows.get(task, torch.zeros(size, dtype=torch.float64)) for task in TASKS])
    weights = combiner.weights(
        (J @ J.T).numpy(),
        focal=0,
        present=np.array([task in losses for task in TASKS]),
        losses=np.array([losses[task].item() if task in losses else np.nan for task in TASKS]),
    )
    return torch.split(torch.from_numpy(weights) @ J, [parameter.numel() for parameter in trunk])


NAMES = (
    ("average", {}),
    ("weighted", {"focal_share": 0.7}),
    ("pcgrad", {"order": "fixed"}),
    ("cagrad", {}),
    ("cosine_gating", {}),
    ("rcgrad", {}),
    ("gragr", {}),
    ("gre", {}),
    ("gre_plus", {}),
    ("mgda", {}),
)


@pytest.mark.parametrize(("name", "options"), NAMES, ids=str)
@pytest.mark.parametrize(
    ("kind", "batch_size", "step"), [("balanced", 8, 0), ("union", 12, 1), ("union", 3, 0)]
)
def test_the_update_equals_the_obvious_one(name, options, kind, batch_size, step):
    data, model = toy_data(dtype=torch.float64), toy_model(dtype=torch.float64)
    losses = losses_of_one_step(model, data, kind, batch_size, step)
    expected = obvious_update(model, losses, combiners.get(name, **options))
    CombinedUpdate(
        model, combiners.get(name, **options), tasks=model.tasks, shared=model.encoder, focal="focal"
    )(losses)
    for parameter, part in zip(model.encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad.flatten(), part, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["average", "rcgrad"])
def test_heads_keep_the_raw_gradient_of_their_own_task(name):
    data, model = toy_data(dtype=torch.float64), toy_model(dtype=torch.float64)
    losses = losses_of_one_step(model, data)
    expected = {
        task: torch.autograd.grad(losses[task], list(head.parameters()), retain_graph=True)
        for task, head in zip(TASKS, model.heads, strict=True)
    }
    CombinedUpdate(model, combiners.get(name), tasks=model.tasks, shared=model.encoder, focal="focal")(losses)
    for task, head in zip(TASKS, model.heads, strict=True):
        for parameter, gradient in zip(head.parameters(), expected[task], strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=0)


class LookingAverage:
    """Averaging that asks for the Gramian, and so takes the way through the engine."""

    name, needs_gramian, needs_losses, last_layer_only = "average", True, False, False

    def weights(self, gramian, *, focal=0, present=None, losses=None):
        return combiners.get("average").weights(gramian, focal=focal, present=present, losses=losses)


@pytest.mark.parametrize(("kind", "step"), [("balanced", 0), ("union", 1)])
def test_one_weighted_backward_equals_averaging_task_by_task(kind, step):
    data = toy_data(dtype=torch.float64)
    found = []
    for combiner in (combiners.get("average"), LookingAverage()):
        model = toy_model(dtype=torch.float64)
        CombinedUpdate(model, combiner, tasks=model.tasks, shared=model.encoder, focal="focal")(
            losses_of_one_step(model, data, kind, 4, step)
        )
        found.append(gradients(model))
    for name, quick in found[0].items():
        slow = found[1][name]
        assert (quick is None) == (slow is None)
        if quick is not None:
            torch.testing.assert_close(quick, slow, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["average", "pcgrad"])
def test_a_missing_task_gets_no_weight_and_its_head_is_not_stepped(name):
    data, model = toy_data(dtype=torch.float64), toy_model(dtype=torch.float64)
    losses = losses_of_one_step(model, data)
    del losses["big.aux"]
    weights = CombinedUpdate(
        model, combiners.get(name), tasks=model.tasks, shared=model.encoder, focal="focal"
    )(losses)
    assert weights[1] == 0.0
    assert all(parameter.grad is None for parameter in model.heads[1].parameters())
    assert all(parameter.grad is not None for parameter in model.heads[0].parameters())
    if name == "average":
        np.testing.assert_array_equal(weights, [0.5, 0.0, 0.5])


def test_it_adds_to_what_grad_holds_as_backward_does():
    data = toy_data()
    model, clean = toy_model(), toy_model()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for each in (model, clean):
        CombinedUpdate(each, combiners.get("average"), tasks=each.tasks, shared=each.encoder, focal="focal")(
            losses_of_one_step(each, data)
        )
    for name, gradient in gradients(clean).items():
        torch.testing.assert_close(gradients(model)[name], gradient + 1.0)


def test_anyones_loop_can_use_it_on_a_model_of_its_own():
    """A shared trunk among the user's own attributes, a fused head, and a task that is missing."""
    generator = torch.Generator().manual_seed(0)
    trunk, head = torch.nn.Linear(4, 5).double(), torch.nn.Linear(5, 3).double()
    model = torch.nn.Sequential(trunk, torch.nn.Tanh(), head)
    outputs = model(torch.randn(9, 4, dtype=torch.float64, generator=generator))
    losses = {"a": outputs[:3, 0].square().mean(), "c": (outputs[3:, 2] - 1).square().mean()}
    rows = [torch.autograd.grad(loss, trunk.parameters(), retain_graph=True) for loss in losses.values()]
    raw = torch.autograd.grad(sum(losses.values()), head.parameters(), retain_graph=True)
    J = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    combiner = combiners.get("rcgrad")
    expected = torch.from_numpy(combiner.weights((J @ J.T).numpy())) @ J
    update = CombinedUpdate(model, combiner, tasks="abc", focal="a", shared=trunk)
    weights = update(losses)
    assert weights[1] == 0.0
    found = torch.cat([parameter.grad.flatten() for parameter in trunk.parameters()])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)
    for parameter, own in zip(head.parameters(), raw, strict=True):
        torch.testing.assert_close(parameter.grad, own)
    with pytest.raises(InputError, match="losses: expected some of the tasks"):
        update({"d": losses["a"]})
    with pytest.raises(InputError, match="focal: expected one of"):
        CombinedUpdate(model, combiner, tasks="abc", focal="d", shared=trunk)
