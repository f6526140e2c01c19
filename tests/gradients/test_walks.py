"""Graphs that can be walked once: measured as fresh graphs are, and left for the run itself."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from gradprobe.errors import MeasurementError
from gradprobe.gradients import LoopEngine, RowwiseEngine, reusable, select_parameters, walk
from gradprobe.probes import GradientProbe

Block = Callable[[nn.Module, Tensor], Tensor]


def _selective(block: nn.Module, x: Tensor) -> Tensor:
    def policy(_context: Any, op: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        kept = op == torch.ops.aten.addmm.default
        return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE

    contexts = functools.partial(create_selective_checkpoint_contexts, policy)
    return checkpoint(block, x, use_reentrant=False, context_fn=contexts)


def _plain_checkpoint(block: nn.Module, x: Tensor) -> Tensor:
    return checkpoint(block, x, use_reentrant=False)


class _Offloader:
    """Hands out what it holds once, as offloaders do that free host memory."""

    def __init__(self) -> None:
        self.held: dict[int, Tensor] = {}
        self.fetched: list[int] = []

    def pack(self, tensor: Tensor) -> int:
        self.held[len(self.held)] = tensor
        return len(self.held) - 1

    def unpack(self, number: int) -> Tensor:
        self.fetched.append(number)
        return self.held.pop(number)


def _offloaded(block: nn.Module, x: Tensor) -> Tensor:
    store = _Offloader()
    with torch.autograd.graph.saved_tensors_hooks(store.pack, store.unpack):
        return block(x)


class _FreesAttribute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.kept = [x.detach().clone()]
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x = ctx.kept.pop()
        del ctx.kept
        return 3 * x**2 * gradient


class _FreesMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.kept = x.detach().clone()
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        result = 3 * ctx.kept**2 * gradient
        ctx.kept.untyped_storage().resize_(0)
        return result


_STORE: dict[int, Tensor] = {}


class _FreesFromModule(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.number = len(_STORE)
        _STORE[ctx.number] = x.detach().clone()
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 3 * _STORE.pop(ctx.number) ** 2 * gradient


def _through(function: Any) -> Block:
    return lambda block, x: function.apply(block(x))


def _equilibrium(block: nn.Module, x: Tensor) -> Tensor:
    """A hook at the fixed point that takes itself away, then solves for the gradient through the graph."""
    with torch.no_grad():
        z = torch.zeros_like(x)
        for _ in range(30):
            z = 0.3 * block(z) + x
    out = 0.3 * block(z) + x
    start = out.detach().requires_grad_()
    again = 0.3 * block(start) + x.detach()

    def solve(gradient: Tensor) -> Tensor:
        handle.remove()
        found = gradient
        for _ in range(30):
            (step,) = torch.autograd.grad(again, start, found, retain_graph=True)
            found = gradient + step
        return found

    handle = out.register_hook(solve)
    return out


_BLOCKS: dict[str, Block] = {
    "selective checkpoint": _selective,
    "checkpoint": _plain_checkpoint,
    "offloading": _offloaded,
    "frees an attribute": _through(_FreesAttribute),
    "frees memory": _through(_FreesMemory),
    "frees from a module's store": _through(_FreesFromModule),
    "equilibrium": _equilibrium,
}
_EVERY_BLOCK = pytest.mark.parametrize("block", _BLOCKS.values(), ids=_BLOCKS.keys())


def _model() -> nn.ModuleDict:
    torch.manual_seed(3)
    middle = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    return nn.ModuleDict(
        {"enter": nn.Linear(4, 6), "middle": middle, "a": nn.Linear(6, 1), "b": nn.Linear(6, 1)}
    )


def _losses(model: nn.ModuleDict, block: Block) -> dict[str, Tensor]:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(5))
    hidden = block(model["middle"], model["enter"](x))
    return {task: model[task](hidden).square()[:, 0] for task in "ab"}


def _from_fresh_graphs(block: Block) -> np.ndarray:
    """The Gramian of the trunk, each task from a forward pass of its own that is walked once."""
    rows = []
    for task in "ab":
        model = _model()
        _losses(model, block)[task].mean().backward()
        trunk = [*model["enter"].parameters(), *model["middle"].parameters()]
        rows.append(torch.cat([p.grad.double().flatten() for p in trunk]))
    stacked = torch.stack(rows)
    return (stacked @ stacked.T).numpy()


def _trunk(model: nn.ModuleDict) -> list[nn.Parameter]:
    return [*model["enter"].parameters(), *model["middle"].parameters()]


@_EVERY_BLOCK
@pytest.mark.parametrize("engine", ["loop", "rowwise"])
@pytest.mark.parametrize("named", [True, False])
def test_each_task_is_measured_as_on_a_fresh_graph(block, engine, named):
    model = _model()
    shared = _trunk(model) if named else "auto"
    record = GradientProbe(model, focal="a", shared=shared, engine=engine).measure(_losses(model, block))
    np.testing.assert_allclose(record.gramian.total, _from_fresh_graphs(block), rtol=1e-4)


@_EVERY_BLOCK
@pytest.mark.parametrize("engine", ["loop", "rowwise"])
def test_the_runs_own_backward_pass_is_bit_for_bit_the_one_without_a_measurement(block, engine):
    gradients = []
    for probed in (False, True):
        model = _model()
        losses = _losses(model, block)
        if probed:
            GradientProbe(model, focal="a", shared=_trunk(model), engine=engine).measure(losses)
        sum(loss.mean() for loss in losses.values()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@_EVERY_BLOCK
def test_an_error_in_the_middle_of_a_measurement_leaves_the_graph_too(block):
    model = _model()
    losses = _losses(model, block)
    probe = GradientProbe(model, focal="a", shared=_trunk(model))
    with pytest.raises(MeasurementError, match="finite"):
        probe.measure({"a": losses["a"], "b": _Infinite.apply(losses["b"])})
    sum(loss.mean() for loss in losses.values()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in _trunk(model))


class _Infinite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * float("inf")


def test_without_the_block_the_second_pass_fails_so_the_block_is_what_helps():
    model = _model()
    loss = _losses(model, _through(_FreesAttribute))["a"].mean()
    walk(loss, _trunk(model))
    with pytest.raises(AttributeError):
        walk(loss, _trunk(model))
    loss = _losses(model, _through(_FreesAttribute))["a"].mean()
    with reusable([loss]):
        first, second = (walk(loss, _trunk(model)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


class _Recompute(torch.autograd.Function):
    """A reentrant checkpoint under a name of its own."""

    @staticmethod
    def forward(ctx: Any, function: Any, x: Tensor) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(x)
        with torch.no_grad():
            return function(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.function(x)
        torch.autograd.backward(y, gradient)
        return None, x.grad


@pytest.mark.parametrize("before", [False, True])
def test_gradients_that_a_function_leaves_in_grad_are_measured_and_go_nowhere(before):
    model = _model()
    if before:
        _losses(model, _Recompute.apply)["a"].mean().backward()
    kept = [(p.grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    probe = GradientProbe(model, focal="a")
    for _ in range(2):
        record = probe.measure(_losses(model, _Recompute.apply))
        assert record.gramian.layers == ("enter", "middle.0", "middle.2")
        np.testing.assert_allclose(record.gramian.total, _from_fresh_graphs(_Recompute.apply), rtol=1e-4)
    assert "_Recompute" in record.note
    for parameter, (gradient, bits) in zip(model.parameters(), kept, strict=True):
        assert parameter.grad is gradient
        assert bits is None or torch.equal(gradient, bits)


def test_a_trunk_that_only_such_a_function_knows_is_an_error_that_names_it():
    model = _model()
    probe = GradientProbe(model, focal="a", shared=model["middle"])
    with pytest.raises(MeasurementError, match="'_Recompute' runs a backward pass of its own"):
        probe.measure(_losses(model, _Recompute.apply))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("engine", [LoopEngine(), RowwiseEngine()])
def test_outside_a_probe_such_a_function_is_refused_before_any_pass(engine):
    model = _model()
    losses = [loss.mean() for loss in _losses(model, _Recompute.apply).values()]
    with pytest.raises(MeasurementError, match=r"fills `\.grad`"):
        engine.capture(losses, select_parameters(model, _trunk(model)))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_reversible_layer_of_pygs_that_counts_its_passes_is_left_as_it_was():
    from torch_geometric.nn import GroupAddRev, SAGEConv

    def losses_of(model: nn.ModuleList) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(1)
        x, edges = torch.randn(12, 5, generator=draw), torch.randint(0, 12, (2, 30), generator=draw)
        hidden = model[1](model[0](x), edges).relu()
        return {task: model[2][i](hidden).square()[:, 0] for i, task in enumerate("ab")}

    def build() -> nn.ModuleList:
        torch.manual_seed(2)
        layer = GroupAddRev(SAGEConv(4, 4), num_groups=2, num_bwd_passes=1)
        return nn.ModuleList([nn.Linear(5, 8), layer, nn.ModuleList([nn.Linear(8, 1), nn.Linear(8, 1)])])

    rows = []
    for task in "ab":
        model = build()
        losses_of(model)[task].mean().backward()
        rows.append(torch.cat([p.grad.double().flatten() for m in model[:2] for p in m.parameters()]))
    expected = torch.stack(rows) @ torch.stack(rows).T
    model = build()
    losses = losses_of(model)
    record = GradientProbe(model, focal="a").measure(losses)
    np.testing.assert_allclose(record.gramian.total, expected.numpy(), rtol=1e-3)
    sum(loss.mean() for loss in losses.values()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())


def test_forward_passes_of_our_own_measure_the_same_step_and_draw_nothing():
    model = _model()
    model["middle"].append(nn.Dropout(0.5))
    state = torch.get_rng_state()
    probe = GradientProbe(model, focal="a")
    record = probe.separate_forward(lambda: _losses(model, lambda block, x: block(x)))
    assert torch.equal(torch.get_rng_state(), state)
    expected = GradientProbe(model, focal="a").measure(_losses(model, lambda block, x: block(x)))
    np.testing.assert_allclose(record.gramian.total, expected.gramian.total, rtol=1e-5)
    assert record.note == "2 forward passes of the probe's own"
    assert record.gramian.layers == expected.gramian.layers


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor compiles with g++")
def test_compiled_code_that_reuses_the_memory_of_what_was_saved_is_measured_and_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    gradients = []
    for probed in (False, True):
        torch._dynamo.reset()
        torch.manual_seed(3)
        trunk = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU())
        model = nn.ModuleDict({"trunk": trunk, "a": nn.Linear(32, 1), "b": nn.Linear(32, 1)})
        hidden = torch.compile(trunk)(torch.ones(16, 6).cumsum(0))
        losses = {task: model[task](hidden).square()[:, 0] for task in "ab"}
        if probed:
            measured = GradientProbe(model, focal="a", shared=trunk).measure(losses).gramian.total
            plain = trunk(torch.ones(16, 6).cumsum(0))
            alike = {task: model[task](plain).square()[:, 0] for task in "ab"}
            expected = (
                GradientProbe(model, focal="a", shared=trunk, engine="loop").measure(alike).gramian.total
            )
            np.testing.assert_allclose(measured, expected, rtol=1e-3)
        sum(loss.mean() for loss in losses.values()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_a_graph_whose_hooks_delete_their_files_is_refused_before_the_first_pass(tmp_path):
    numbers = iter(range(100))

    def pack(tensor):
        file = tmp_path / str(next(numbers))
        torch.save(tensor.detach(), file)
        return file

    def unpack(file):
        tensor = torch.load(file)
        file.unlink()
        return tensor

    torch.manual_seed(0)
    model = nn.ModuleDict({"t": nn.Linear(3, 4), "a": nn.Linear(4, 1), "b": nn.Linear(4, 1)})
    x = torch.randn(5, 3)

    def losses_of():
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            hidden = torch.tanh(model["t"](x))
            return {task: model[task](hidden).square().mean() for task in "ab"}

    losses = losses_of()
    probe = GradientProbe(model, focal="a")
    with pytest.raises(MeasurementError, match=r"unpack hook.*separate_forward"):
        probe.measure(losses)
    torch.stack(list(losses.values())).sum().backward()  # every file is still there
    assert model["t"].weight.grad is not None
    record = GradientProbe(model, focal="a").separate_forward(losses_of)
    expected = GradientProbe(model, focal="a").measure(
        {task: model[task](torch.tanh(model["t"](x))).square().mean() for task in "ab"}
    )
    np.testing.assert_allclose(record.gramian.total, expected.gramian.total, rtol=1e-5)
