from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.probes import GradientProbe, RepresentationProbe, inert
from tests import _oracles
from tests._zoo import Case, Setup, once_only, zoo
from tests.probes._state import assert_same, random_state, seed_everything, training_state

EVERY_CASE = pytest.mark.parametrize("case", [*zoo(), *once_only()], ids=lambda case: case.name)


class InterruptionError(Exception):
    """What a caller's own function raises in the middle of a measurement."""


def _train(case: Case, attach: Any = None) -> tuple[list[Any], Setup]:
    """Two epochs of a case; `attach(setup)` gives what to call (losses, step) before each backward."""
    setup = case.build(case.dtypes[0])
    seed_everything(7)
    measure = attach(setup) if attach else lambda losses, step: None
    history, step = [], 0
    for _ in range(2):
        for batch in setup.loader:
            losses = {task: loss for task, loss in setup.losses(setup.model, batch).items() if loss.numel()}
            measure(losses, step)
            sum(loss.mean() for loss in losses.values()).backward()
            history.append(({task: loss.tolist() for task, loss in losses.items()}, training_state(setup)))
            step += 1
            if step % setup.accumulate == 0:
                setup.optimiser.step()
                setup.optimiser.zero_grad()
        # Draws of the caller's own, which show a shifted stream at once.
        history.append((torch.rand(2).tolist(), np.random.rand(), random.random()))  # noqa: NPY002
    return history, setup


def _assert_same_history(history: list[Any], expected: list[Any]) -> None:
    assert len(history) == len(expected) > 0
    for i, (own, reference) in enumerate(zip(history, expected, strict=True)):
        assert_same(list(own), list(reference), f"step {i}")


def _everything(setup: Setup) -> Any:
    """Every kind of measurement, also before training and in the middle of an epoch and its iterator."""
    probe = GradientProbe(setup.model, focal="a")
    probe.measure_loader(setup.loader, setup.for_split, split="heldout")
    layer = setup.layer and RepresentationProbe(setup.model, layer=setup.layer, trace=probe.trace)

    def measure(losses: dict[str, Tensor], step: int) -> None:
        probe.measure(losses, step=step)
        if step in (1, 3):
            probe.measure_loader(setup.loader, setup.for_split, split="train", step=step)
            if layer:
                layer.measure_loader(setup.loader, setup.losses, split="train", step=step)
        setup.measured = len(probe.trace.gramians)

    return measure


@EVERY_CASE
def test_a_probed_run_is_the_unprobed_run_bit_for_bit(case):
    plain, _ = _train(case)
    probed, setup = _train(case, _everything)
    assert setup.measured >= 5
    _assert_same_history(probed, plain)


@EVERY_CASE
def test_folds_leave_the_run_as_it_was(case):
    def attach(setup: Setup) -> Any:
        probe = GradientProbe(setup.model, focal="a")

        def measure(losses: dict[str, Tensor], step: int) -> None:
            if all(loss.dim() for loss in losses.values()):
                probe.measure(losses, rows={task: range(len(loss)) for task, loss in losses.items()})

        return measure

    _assert_same_history(_train(case, attach)[0], _train(case)[0])


def _failing(setup: Setup) -> Any:
    """Every kind of measurement, each of which breaks off in the middle."""
    probe = GradientProbe(setup.model, focal="a", shared=setup.model)
    layer = setup.layer and RepresentationProbe(setup.model, layer=setup.layer)

    def break_off(model: nn.Module, batch: Any) -> Any:
        losses = setup.for_split(model, batch)
        torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        if break_off.calls:
            raise InterruptionError
        break_off.calls += 1
        return losses

    def measure(losses: dict[str, Tensor], step: int) -> None:
        first, *rest = losses
        with pytest.raises(InterruptionError):
            probe.measure({first: losses[first], **{task: _Broken.apply(losses[task]) for task in rest}})
        break_off.calls = 0
        with pytest.raises(InterruptionError):
            probe.measure_loader(setup.loader, break_off, split="heldout")
        with pytest.raises(InterruptionError):
            probe.measure_loader(_HalfLoader(setup.loader), setup.for_split, split="heldout")
        with pytest.raises(InputError):
            probe.measure_loader([], setup.for_split, split="heldout")
        with pytest.raises(MeasurementError):
            probe.measure({task: loss * float("nan") for task, loss in losses.items()})
        if layer:
            break_off.calls = 0
            with pytest.raises(InterruptionError):
                layer.measure_loader(setup.loader, break_off, split="heldout", step=step)
        assert not probe.trace.gramians

    return measure


class _HalfLoader:
    """A loader that raises after its first batch."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.generator = loader, loader.generator

    def __iter__(self) -> Any:
        yield next(iter(self.loader))
        raise InterruptionError


class _Broken(torch.autograd.Function):
    """The identity, whose backward pass raises."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise InterruptionError


@EVERY_CASE
def test_a_run_whose_measurements_raise_is_the_unprobed_run_bit_for_bit(case):
    _assert_same_history(_train(case, _failing)[0], _train(case)[0])


def test_hooks_see_the_callers_backward_only_and_stay_attached():
    case = next(case for case in zoo() if case.name == "gradient_hook")
    _, own = _train(case)
    _, setup = _train(case, _everything)
    assert len(setup.outside()) == len(own.outside()) == 6
    assert setup.outside() == own.outside()


def test_hooks_do_not_touch_what_is_measured():
    weight = nn.Linear(2, 1, bias=False)
    weight.weight.register_hook(lambda gradient: gradient * 100.0)
    output = weight(torch.tensor([[1.0, 2.0]])).sum()
    record = GradientProbe(weight, focal="a", shared=weight).measure({"a": output, "b": 2.0 * output})
    np.testing.assert_allclose(record.gramian.total, [[5.0, 10.0], [10.0, 20.0]])


def test_random_numbers_drawn_while_measuring_are_drawn_again_by_the_caller():
    model, generator = nn.Linear(2, 1), torch.Generator().manual_seed(3)
    seed_everything(1)
    before, own = random_state(), generator.get_state()
    with inert(model, [generator]):
        torch.rand(3), np.random.rand(3), random.random(), torch.rand(2, generator=generator)  # noqa: NPY002
        assert random_state()["torch"] != before["torch"]
    assert_same(random_state(), before)
    assert torch.equal(generator.get_state(), own)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState, random.Random])
@pytest.mark.parametrize("subset", [False, True])
def test_a_data_set_with_a_generator_of_its_own_goes_on_where_it_was(make, subset):
    from torch.utils.data import DataLoader, Dataset, Subset

    class Noisy(Dataset[Tensor]):
        def __init__(self) -> None:
            self.noise = make(3)

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> Tensor:
            return torch.tensor([index + self.noise.uniform(0.0, 1.0)])

    data = Noisy()
    loader = DataLoader(Subset(data, [0, 2, 4]) if subset else data, batch_size=2)
    model = nn.Linear(1, 2)

    def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        both = model(batch.float())
        return {"a": both[:, 0], "b": both[:, 1]}

    GradientProbe(model, focal="a", shared=model).measure_loader(loader, losses, split="train")
    RepresentationProbe(model, layer=model).measure_loader(
        loader, lambda model, batch: model(batch.float()), split="train", step=0
    )
    assert data.noise.uniform(0.0, 1.0) == make(3).uniform(0.0, 1.0)


def test_a_pass_with_persistent_workers_is_not_cut_short_by_a_measurement_in_its_middle():
    from torch.utils.data import DataLoader, TensorDataset

    def losses(model: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        both = model(batch[0])
        return {"a": both[:, 0], "b": both[:, 1]}

    def seen(probed: bool) -> list[list[float]]:
        generator = torch.Generator().manual_seed(3)
        data = TensorDataset(torch.arange(8.0)[:, None])
        loader = DataLoader(
            data, batch_size=2, shuffle=True, generator=generator, num_workers=1, persistent_workers=True
        )
        model = nn.Linear(1, 2)
        probe = GradientProbe(model, focal="a", shared=model)
        batches = []
        for _ in range(2):
            for i, batch in enumerate(loader):
                batches.append(batch[0].flatten().tolist())
                if probed and i == 1:
                    assert probe.measure_loader(loader, losses, split="train").gramian.rows == (8, 8)
        return batches

    assert seen(probed=True) == seen(probed=False)


@pytest.mark.parametrize("place", ["loader", "sampler", "batch_sampler"])
def test_the_order_of_a_loader_with_a_generator_of_its_own_does_not_move(place):
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler

    generator = torch.Generator().manual_seed(3)
    data = list(range(8))
    sampler = RandomSampler(data, generator=generator)
    loader = {
        "loader": lambda: DataLoader(data, batch_size=3, shuffle=True, generator=generator),
        "sampler": lambda: DataLoader(data, batch_size=3, sampler=sampler),
        "batch_sampler": lambda: DataLoader(data, batch_sampler=BatchSampler(sampler, 3, False)),
    }[place]()
    model = nn.Linear(1, 2)

    def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        both = model(batch[:, None].float())
        return {"a": both[:, 0], "b": both[:, 1]}

    before = generator.get_state()
    GradientProbe(model, focal="a", shared=model).measure_loader(loader, losses, split="train")
    assert torch.equal(generator.get_state(), before)


class _Stateful(nn.Module):
    """A model that changes everything about itself whenever it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("moved", torch.zeros(2))
        self.register_buffer("replaced", torch.zeros(2), persistent=False)
        self.register_buffer("absent", None)
        self.register_buffer("expanded", torch.arange(2.0).expand(3, 2))
        self.register_buffer("sparse", torch.eye(2).to_sparse())
        self.tensor, self.count = torch.zeros(2), 0
        self.names, self.cache, self.seen = ["x"], {"x": 1}, {1}

    def forward(self, x: Tensor) -> Tensor:
        self.moved += 1
        self.replaced = self.replaced + 1
        self.absent = torch.ones(1)
        self.tensor += 1
        self.count += 1
        self.names.append("y")
        self.cache["y"] = 2
        self.seen.add(2)
        self.late = "new"
        self.register_buffer("late_buffer", torch.ones(1))
        self.linear.eval() if self.linear.training else self.linear.train()
        return self.linear(x) + self.expanded[0]


def test_all_state_of_a_model_is_restored_in_place_after_an_exception_too():
    model = _Stateful()
    held = {name: getattr(model, name) for name in ("moved", "tensor", "names", "cache", "seen", "expanded")}
    buffers = [name for name, _ in model.named_buffers()]

    def measure() -> None:
        with inert(model):
            model(torch.ones(1, 2))
            assert model.count == 1
            assert model.absent is not None
            raise InterruptionError

    with pytest.raises(InterruptionError):
        measure()
    assert all(getattr(model, name) is value for name, value in held.items())
    assert [name for name, _ in model.named_buffers()] == buffers
    assert not model.moved.any()
    assert not model.replaced.any()
    assert not model.tensor.any()
    assert (model.absent, model.count) == (None, 0)
    assert (model.names, model.cache, model.seen) == (["x"], {"x": 1}, {1})
    assert not hasattr(model, "late")
    assert model.linear.training
    assert list(model.state_dict()) == ["moved", "expanded", "sparse", "linear.weight", "linear.bias"]


def test_an_intermediate_gradient_that_stood_before_stands_after():
    model = nn.Linear(2, 2)
    model(torch.ones(1, 2)).sum().backward()
    grad = model.weight.grad
    bits = grad.clone()
    outputs = model(torch.randn(3, 2))
    GradientProbe(model, focal="a", shared=model).measure({"a": outputs[:, 0], "b": outputs[:, 1]})
    assert model.weight.grad is grad
    assert torch.equal(grad, bits)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_split_is_measured_under_whatever_gradient_mode_the_caller_has(context):
    model = nn.Linear(2, 2)
    batches = [torch.ones(3, 2)]

    def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {"a": model(batch)[:, 0], "b": model(batch)[:, 1] + model(batch)[:, 0]}

    probe = GradientProbe(model, focal="a", shared=model)
    expected = probe.measure_loader(batches, losses, split="heldout")
    with context():
        record = probe.measure_loader(batches, losses, split="heldout")
        assert not torch.is_grad_enabled()
    _oracles.assert_gramians_agree(record.gramian.values, expected.gramian.values, 1e-6)


def test_a_split_is_measured_in_full_precision_under_the_callers_autocast():
    model, batches = nn.Linear(64, 2), [torch.randn(5, 64, generator=torch.Generator().manual_seed(0))]

    def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        output = model(batch)
        return {"a": output[:, 0] ** 2, "b": output.sum(dim=1) ** 2}

    probe = GradientProbe(model, focal="a", shared=model)
    expected = probe.measure_loader(batches, losses, split="heldout")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        record = probe.measure_loader(batches, losses, split="heldout")
        assert torch.is_autocast_enabled("cpu")
    _oracles.assert_gramians_agree(record.gramian.values, expected.gramian.values, 1e-6)


def test_a_model_with_a_validation_switch_of_its_own_is_asked_to_make_it():
    case = next(case for case in zoo() if case.name == "chemprop_mpnn")
    setup = case.build()
    seen = []

    def losses(model: nn.Module, batch: Any) -> Any:
        seen.append((model.message_passing.training, model.predictor.output_transform.training))
        return setup.for_split(model, batch)

    GradientProbe(setup.model, focal="a").measure_loader(setup.loader, losses, split="heldout")
    assert set(seen) == {(False, True)}
    assert setup.model.message_passing.training
