"""Each error names its cause and the remedy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.probes import GradientProbe


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


@pytest.fixture
def probe(model: nn.Module) -> GradientProbe:
    return GradientProbe(model, focal="a", shared=model)


def _losses(model: nn.Module, batch: Tensor | None = None) -> dict[str, Tensor]:
    output = model(torch.ones(4, 3) if batch is None else batch)
    return {"a": output[:, 0] ** 2, "b": output[:, 1] ** 2}


class _Checkpointed(nn.Module):
    """Three layers, of which the middle one is recomputed in the backward pass, the old way."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.within, self.after = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.before(x))
        return self.after(torch.utils.checkpoint.checkpoint(self.within, h, use_reentrant=True))


@pytest.mark.parametrize("trunk", ["before", "within", "after"])
@pytest.mark.parametrize("engine", ["auto", "loop", "rowwise"])
def test_reentrant_checkpointing_is_refused_also_where_pytorch_would_see_no_gradient(trunk, engine):
    model = _Checkpointed()
    probe = GradientProbe(model, focal="a", shared=getattr(model, trunk), engine=engine)
    message = r"losses: reentrant activation checkpointing .*use_reentrant=False"
    with pytest.raises(MeasurementError, match=message):
        probe.measure(_losses(model))
    with pytest.raises(MeasurementError, match=message):
        probe.measure_loader([torch.ones(2, 3)], _losses, split="train")
    with pytest.raises(MeasurementError, match=message):
        GradientProbe(model, focal="a").measure(_losses(model))


class _Compiled(torch.autograd.Function):
    """Refuses as the backward pass of torch.compile does when the graph is to be kept.

    A real one takes half a minute to compile; the text is PyTorch 2.13's.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise RuntimeError(
            "This backward function was compiled with non-empty donated buffers which requires "
            "create_graph=False and retain_graph=False. Please keep backward(create_graph=False, "
            "retain_graph=False) across all backward() function calls, or set "
            "torch._functorch.config.donated_buffer=False to disable donated buffer."
        )


def test_donated_buffers_are_named_with_their_remedy(model, probe):
    losses = {task: _Compiled.apply(loss) for task, loss in _losses(model).items()}
    with pytest.raises(MeasurementError, match=r"torch\.compile gave .*config\.donated_buffer = False"):
        probe.measure(losses)


def test_a_graph_that_was_freed_is_named_with_its_remedy(model, probe):
    losses = _losses(model)
    sum(loss.mean() for loss in losses.values()).backward()
    with pytest.raises(MeasurementError, match=r"already freed; measure before calling backward"):
        probe.measure(losses)


def test_a_step_of_the_optimiser_before_the_measurement_is_named_with_its_remedy(probe):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    outputs = model(torch.ones(2, 3))
    with torch.no_grad():
        model[2].weight.add_(1.0)
    with pytest.raises(MeasurementError, match="changed since the forward pass; measure before the optim"):
        GradientProbe(model, focal="a").measure({"a": outputs[:, 0].mean(), "b": outputs[:, 1].mean()})


def test_losses_without_names_are_refused(model, probe):
    losses = list(_losses(model).values())
    with pytest.raises(InputError, match=r"losses: expected a mapping from each task's name.*, got list"):
        probe.measure(losses)
    with pytest.raises(InputError, match=r"losses: expected text for the names of tasks, got 0 \(int\)"):
        probe.measure(dict(enumerate(losses)))
    with pytest.raises(InputError, match=r"loss_fn: expected a mapping from each task's name.*, got list"):
        probe.measure_loader([torch.ones(2, 3)], lambda *_: losses, split="train")


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("mean", [True, False])
def test_losses_with_a_graph_are_measured_whatever_gradient_mode_the_caller_is_in(model, context, mean):
    losses = _losses(model)
    expected = GradientProbe(model, focal="a", shared=model).measure(losses).gramian.values
    if mean:
        losses = {task: loss.mean() for task, loss in losses.items()}
    with context():
        found = GradientProbe(model, focal="a", shared=model).measure(losses).gramian.values
    assert found.tolist() == expected.tolist()


def test_a_lazy_model_is_not_initialised_by_a_measurement():
    model = nn.LazyLinear(2)
    probe = GradientProbe(model, focal="a", shared=model)
    with pytest.raises(InputError, match=r"model: expected initialised parameters, got lazy ones.*weight"):
        probe.measure_loader([torch.ones(2, 3)], lambda *_: {}, split="train")


def test_other_errors_of_a_backward_pass_come_through_as_they_are(model, probe):
    losses = _losses(model)
    losses["a"].register_hook(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        probe.measure(losses)


def test_a_detached_loss_names_its_task(model, probe):
    losses = _losses(model)
    with pytest.raises(
        MeasurementError, match=r"losses\['b'\]: expected a loss with a graph.* do not detach"
    ):
        probe.measure(losses | {"b": losses["b"].detach()})


def test_losses_made_without_gradients_name_the_context(model, probe):
    with torch.no_grad():
        losses = _losses(model)
    with pytest.raises(MeasurementError, match=r"losses\['a'\]: .*measure outside torch\.no_grad\(\)"):
        probe.measure(losses)


def test_a_split_whose_losses_are_detached_is_refused(model, probe):
    def detached(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {task: loss.detach() for task, loss in _losses(model, batch).items()}

    with pytest.raises(MeasurementError, match="expected losses with a graph"):
        probe.measure_loader([torch.ones(2, 3)], detached, split="train")


@pytest.mark.parametrize("present", [[], ["b"]])
def test_fewer_than_two_tasks_are_listed(model, probe, present):
    losses = {task: loss if task in present else loss[:0] for task, loss in _losses(model).items()}
    with pytest.raises(InputError) as caught:
        probe.measure(losses)
    assert str(caught.value) == f"losses: expected at least two tasks, got {present}; a conflict needs two"


def test_a_split_with_labels_of_one_task_only_is_refused(model, probe):
    def one_task(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        losses = _losses(model, batch)
        return {"a": losses["a"], "b": losses["b"][:0]}

    with pytest.raises(InputError, match=r"loader: expected .* at least two tasks, got \['a'\]"):
        probe.measure_loader([torch.ones(2, 3)], one_task, split="train")


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_task(model, probe, broken):
    losses = _losses(model)
    poisoned = losses["b"] + torch.tensor([0.0, 0.0, broken, 0.0])
    message = r"{}.*NaN or infinity; leave rows without a label out"
    with pytest.raises(MeasurementError, match=message.format(r"losses\['b'\]: ")):
        probe.measure(losses | {"b": poisoned})

    def split(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        own = _losses(model, batch)
        return own | {"b": own["b"] + broken}

    with pytest.raises(MeasurementError, match=message.format("loss_fn: expected finite losses of 'b'")):
        probe.measure_loader([torch.ones(2, 3)], split, split="train")


def _infinite_slope(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Finite losses, whose gradient is 0 * infinity: the square root at zero."""
    return losses | {"b": (losses["b"] * 0.0).sqrt()}


def test_a_gradient_that_is_not_finite_names_its_task_and_layer(model, probe):
    losses = _infinite_slope(_losses(model))
    assert all(bool(loss.isfinite().all()) for loss in losses.values())
    message = (
        r"losses\['b'\]: expected a finite gradient, got NaN or infinity in layer '0'; .*mask missing labels"
    )
    with pytest.raises(MeasurementError, match=message):
        probe.measure(losses)
    with pytest.raises(MeasurementError, match=message):
        probe.measure_loader(
            [torch.ones(2, 3)], lambda own, batch: _infinite_slope(_losses(own, batch)), split="train"
        )
    with pytest.raises(MeasurementError, match=message):
        GradientProbe(model, focal="a").measure(_infinite_slope(_losses(model)))
    assert probe.trace.gramians == []


@pytest.mark.parametrize(
    ("make", "came"),
    [
        (lambda loss: loss[:, None], r"shape \(4, 1\)"),
        (lambda loss: torch.stack([loss, loss]), r"shape \(2, 4\)"),
        (lambda loss: 0.5, "float"),
    ],
)
def test_losses_that_are_neither_a_scalar_nor_one_number_a_row_are_refused(model, probe, make, came):
    losses = _losses(model)
    with pytest.raises(InputError, match=rf"losses\['b'\]: .*got {came}; reduce each row's loss"):
        probe.measure(losses | {"b": make(losses["b"])})


@pytest.mark.parametrize(
    ("make", "came"),
    [
        (lambda loss: loss.mean(), r"shape \(\)"),
        (lambda loss: loss[:, None], r"shape \(2, 1\)"),
        (lambda loss: (loss, 2), "tuple"),
        (lambda loss: (loss.mean(), -1), "tuple"),
    ],
)
def test_split_losses_without_a_count_are_refused(model, probe, make, came):
    with pytest.raises(
        InputError, match=rf"loss_fn: expected per-row .* for 'a', got {came}; a mean without"
    ):
        probe.measure_loader(
            [torch.ones(2, 3)],
            lambda own, batch: {task: make(loss) for task, loss in _losses(own, batch).items()},
            split="train",
        )


def test_a_loader_that_was_used_up_is_named(probe):
    batches = (torch.ones(2, 3) for _ in range(2))
    probe.measure_loader(batches, _losses, split="train")
    with pytest.raises(
        InputError, match=r"loader: .*got \[\]; an iterator that was used up .*pass the loader itself"
    ):
        probe.measure_loader(batches, _losses, split="train")


def test_parameters_of_another_model_are_refused(model):
    with pytest.raises(InputError, match=r"shared: expected parameters of the model, got 2 .*very model"):
        GradientProbe(model, focal="a", shared=nn.Linear(3, 4))


def test_a_trunk_without_anything_to_train_is_refused(model):
    used_up = model.parameters()
    list(used_up)
    for nothing in (used_up, [], model.requires_grad_(False)):
        with pytest.raises(InputError, match="shared: expected at least one trainable parameter, got none"):
            GradientProbe(model, focal="a", shared=nothing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "fast"}, r"engine: expected one of \[.*'auto'.*'loop'.*\], got 'fast'"),
        ({"every": 0}, "every: expected a count from 1 on, got 0"),
        ({"every": "2"}, "every: expected a count from 1 on, got '2'"),
        ({"layers": "block"}, "layers: expected 'module' or a function of a parameter's name, got 'block'"),
        ({"shared": "encoder"}, "shared: expected 'auto', a module or parameters, got 'encoder'"),
    ],
)
def test_options_that_cannot_be_used_are_named(model, options, message):
    with pytest.raises(InputError, match=message):
        GradientProbe(model, focal="a", **options)


def test_what_is_no_module_is_refused():
    with pytest.raises(InputError, match=r"model: expected a torch\.nn\.Module, got function"):
        GradientProbe(lambda x: x, focal="a")


def test_a_model_without_parameters_is_refused():
    with pytest.raises(InputError, match="model: expected a module with parameters"):
        GradientProbe(nn.Tanh(), focal="a")


def test_another_split_name_is_refused(probe):
    with pytest.raises(InputError, match="split: expected 'train' or 'heldout', got 'test'"):
        probe.measure_loader([torch.ones(2, 3)], _losses, split="test")


def test_a_folder_that_holds_a_trace_is_refused(model, tmp_path):
    GradientProbe(model, focal="a", out=tmp_path).close()
    with pytest.raises(
        InputError, match=r"out: expected a new folder for the trace, got .*name another folder"
    ):
        GradientProbe(model, focal="a", out=tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": range(4), "b": range(3)}, r"rows\['b'\]: expected 4 distinct molecules, .*got 3 of which 3"),
        (
            {"a": range(4), "b": [0, 1, 2, 2]},
            r"rows\['b'\]: expected 4 distinct .*got 4 of which 3 are distinct",
        ),
        ({"a": torch.zeros(4), "b": range(4)}, r"rows\['a'\]: .*got 4 of which 1 are distinct"),
        ({"a": range(4)}, r"rows: expected .* 'b', got rows for \['a'\] only; .*leave rows= out"),
    ],
)
def test_rows_that_do_not_name_each_loss_once_are_refused(model, probe, rows, message):
    with pytest.raises(InputError, match=message):
        probe.measure(_losses(model), rows=rows)


def test_folds_of_a_scalar_loss_are_refused(model, probe):
    losses = _losses(model)
    with pytest.raises(
        InputError, match=r"rows: expected a per-row loss .* 'b', got a scalar; pass losses before"
    ):
        probe.measure(losses | {"b": losses["b"].mean()}, rows={"a": range(4), "b": [0]})
