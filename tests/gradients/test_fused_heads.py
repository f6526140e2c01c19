"""Heads fused into one layer of any kind are left out of the trunk."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradprobe import CombinedUpdate, combiners
from gradprobe.probes import GradientProbe


class Product(nn.Module):
    """`x @ W`, as GPT-2's Conv1D: the outputs are W's last axis."""

    def __init__(self, inputs, outputs, *, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        return x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)


# A layer from four features to three tasks, or twice as many outputs, and the shape of its input.
HEADS = {
    "linear": (lambda: nn.Linear(4, 3), (-1, 4)),
    "product": (lambda: Product(4, 3), (-1, 4)),
    "product without bias": (lambda: Product(4, 3, bias=False), (-1, 4)),
    "square product": (lambda: Product(4, 4), (-1, 4)),
    "conv1d": (lambda: nn.Conv1d(4, 3, 1), (-1, 4, 1)),
    "conv2d without bias": (lambda: nn.Conv2d(4, 3, 1, bias=False), (-1, 4, 1, 1)),
    "transposed conv1d": (lambda: nn.ConvTranspose1d(4, 3, 2), (-1, 4, 1)),
    "transposed conv2d without bias": (lambda: nn.ConvTranspose2d(4, 3, 2, bias=False), (-1, 4, 1, 1)),
    "grouped transposed conv2d": (lambda: nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False), (-1, 4, 1, 1)),
    "transposed linear": (lambda: nn.Sequential(Product(4, 3, bias=False)), (-1, 4)),
}


class Net(nn.Module):
    def __init__(self, head, size):
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.head, self.size = nn.Linear(5, 4), head(), size

    def losses(self, x):
        out = self.head(torch.tanh(self.trunk(x)).reshape(self.size))
        out = out.flatten(2).mean(-1) if out.dim() > 2 else out
        return {task: (out[:, number] - 1).square() for number, task in enumerate("abc")}


X = torch.randn(9, 5, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", HEADS)
def test_a_fused_head_is_no_part_of_the_trunk(name):
    model = Net(*HEADS[name])
    probe = GradientProbe(model, focal="a")
    probe.measure(model.losses(X))
    assert probe.trace.header.layers == ("trunk",)
    assert {layer.partition(".")[0] for layer in probe.trace.header.excluded} == {"head"}


@pytest.mark.parametrize("name", ["product", "transposed conv1d"])
def test_so_it_is_for_splits_and_updates(name):
    model = Net(*HEADS[name])
    probe = GradientProbe(model, focal="a")
    probe.measure_loader([X[:5], X[5:]], lambda own, x: own.losses(x), split="train")
    assert probe.trace.header.layers == ("trunk",)
    update = CombinedUpdate(model, combiners.get("average"), tasks=["a", "b", "c"], focal="a", shared="auto")
    update(model.losses(X))
    raw = torch.autograd.grad(sum(loss.mean() for loss in model.losses(X).values()), model.head.weight)[0]
    torch.testing.assert_close(model.head.weight.grad, raw)


def test_a_first_layer_is_trunk_where_tasks_have_inputs_of_their_own():
    torch.manual_seed(1)
    model = nn.ModuleDict({"first": Product(6, 4), "a": nn.Linear(4, 1), "b": nn.Linear(4, 1)})
    x = torch.randn(8, 6)
    x[:4, :3] = 0.0
    x[4:, 3:] = 0.0
    h = torch.tanh(model["first"](x))
    losses = {"a": (model["a"](h[:4])[:, 0] - 1).square(), "b": (model["b"](h[4:])[:, 0] - 1).square()}
    probe = GradientProbe(model, focal="a")
    probe.measure(losses)
    assert probe.trace.header.layers == ("first",)
