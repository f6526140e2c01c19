"""CombinedUpdate on two gloo processes: the update of the whole batch in both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gradprobe import combiners
from gradprobe.errors import MeasurementError
from gradprobe.training import CombinedUpdate

TASKS = ["a", "b", "c"]
# How the model is wrapped, its combiner, and the trunk.
RUNS = {
    "plain average": ({}, "average", "trunk"),
    "plain pcgrad": ({}, "pcgrad", "trunk"),
    "static pcgrad": ({"static_graph": True}, "pcgrad", "trunk"),
    "unused parameters pcgrad": ({"find_unused_parameters": True}, "pcgrad", "trunk"),
    "auto cagrad": ({}, "cagrad", "auto"),
    "static average": ({"static_graph": True}, "average", "auto"),
}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6))
        self.heads = nn.ModuleDict({task: nn.Linear(6, 1) for task in TASKS})
        self.double()

    def forward(self, x):
        h = torch.tanh(self.trunk(x))
        return {task: head(h)[:, 0] for task, head in self.heads.items()}


def batch(step, rank):
    draw = torch.Generator().manual_seed(10 * step + rank)
    return torch.randn(6, 4, generator=draw, dtype=torch.float64)


def losses_of(outputs, *, missing=None):
    return {
        task: (values - 1 - number).square().mean() * (-1) ** number
        for number, (task, values) in enumerate(outputs.items())
        if task != missing
    }


def updated(combiner, model, shared, seed):
    options = {"seed": seed} if combiner == "pcgrad" else {}
    return CombinedUpdate(
        model,
        combiners.get(combiner, **options),
        tasks=TASKS,
        focal="a",
        shared="auto" if shared == "auto" else model.trunk,
    )


def train(rank, wrap, combiner, shared):
    """Three steps, the first task missing in one process at the second."""
    model = Net()
    forward = DistributedDataParallel(model, **wrap)
    # Another seed in each process: the random order of one of them counts for both.
    update = updated(combiner, model, shared, seed=rank)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for step in range(3):
        optimizer.zero_grad()
        update(losses_of(forward(batch(step, rank)), missing="a" if (step, rank) == (1, 1) else None))
        optimizer.step()
    return [parameter.flatten().tolist() for parameter in model.parameters()]


def backward_after_an_update(rank):
    """What a static-graph model's own backward pass leaves after a step by CombinedUpdate."""
    model = Net()
    forward = DistributedDataParallel(model, static_graph=True)
    updated("average", model, "trunk", 0)(losses_of(forward(batch(0, rank))))
    model.zero_grad()
    for step in range(1, 3):
        sum(losses_of(forward(batch(step, rank))).values()).backward()
    return model.trunk[0].weight.grad.flatten().tolist()


def work(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    found = {name: train(rank, *run) for name, run in RUNS.items()}
    model = Net()
    loss = losses_of(model(batch(0, rank)))
    if rank == 1:
        loss["b"] = loss["b"] * float("nan")
    try:
        updated("pcgrad", model, "trunk", 0)(loss)
    except MeasurementError as error:
        found["error"] = str(error)
    found["backward after"] = backward_after_an_update(rank)
    alone = CombinedUpdate(
        model, combiners.get("average"), tasks=TASKS, focal="a", shared=model.trunk, processes=None
    )
    alone({task: own * (rank + 1) for task, own in losses_of(model(batch(0, 0))).items()})
    found["alone"] = model.trunk[0].weight.grad.flatten().tolist()
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(work, (str(folder),), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def in_one_process(combiner):
    """The slow way: every task's gradient as the mean over the ranks that have the task."""
    model, method = Net(), combiners.get(combiner, **({"seed": 0} if combiner == "pcgrad" else {}))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    trunk = list(model.trunk.parameters())
    for step in range(3):
        parts = [
            losses_of(model(batch(step, rank)), missing="a" if (step, rank) == (1, 1) else None)
            for rank in range(2)
        ]
        means = [torch.stack([part[task] for part in parts if task in part]).mean() for task in TASKS]
        rows = [torch.autograd.grad(loss, trunk, retain_graph=True) for loss in means]
        J = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]).numpy()
        weights = method.weights(J @ J.T, focal=0, losses=np.array([loss.item() for loss in means]))
        optimizer.zero_grad()
        sum(means).backward()
        for number, parameter in enumerate(trunk):
            parameter.grad = sum(float(w) * row[number] for w, row in zip(weights, rows, strict=True))
        optimizer.step()
    return [parameter.flatten().tolist() for parameter in model.parameters()]


@pytest.mark.parametrize("name", RUNS)
def test_every_process_makes_the_update_of_the_whole_batch(both, name):
    assert both[0][name] == both[1][name]
    for own, expected in zip(both[0][name], in_one_process(RUNS[name][1]), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-12)


def test_a_static_graph_model_still_reduces_gradients_of_its_own_backward_pass(both):
    model = Net()
    for rank in range(2):
        for step in range(1, 3):
            (sum(losses_of(model(batch(step, rank))).values()) / 2).backward()
    expected = model.trunk[0].weight.grad.flatten().tolist()
    for own in both:
        np.testing.assert_allclose(own["backward after"], expected, rtol=1e-10)


def test_an_error_in_one_process_is_an_error_in_all(both):
    assert "losses['b']: expected finite losses" in both[1]["error"]
    assert "got an error in 1 of 2" in both[0]["error"]


def test_processes_that_train_apart_are_left_apart(both):
    np.testing.assert_allclose(np.array(both[1]["alone"]), 2 * np.array(both[0]["alone"]), rtol=1e-12)
