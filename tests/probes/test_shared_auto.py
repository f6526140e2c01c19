from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.probes import GradientProbe
from tests._zoo import Setup, zoo


def _setup(name: str) -> Setup:
    return next(case for case in zoo() if case.name == name).build()


def _measure(setup: Setup, how: str = "minibatch", **options: Any) -> GradientProbe:
    """A probe with its trunk settled by one measurement of a kind."""
    probe = GradientProbe(setup.model, focal="a", **options)
    if how == "split":
        probe.measure_loader(setup.loader, setup.for_split, split="heldout")
        return probe
    losses = setup.losses(setup.model, next(iter(setup.loader)))
    rows = {task: list(range(len(loss))) for task, loss in losses.items()} if how == "folds" else None
    probe.measure(losses, rows=rows)
    return probe


class Fused(nn.Module):
    """A trunk of two layers and one head for all tasks, `outputs` numbers a task."""

    def __init__(self, tasks: int = 3, outputs: int = 1) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.LayerNorm(6))
        self.head = nn.Linear(6, tasks * outputs)
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).unflatten(1, (-1, self.outputs))


def _fused(tasks: int = 3, outputs: int = 1) -> Setup:
    torch.manual_seed(2)
    model = Fused(tasks, outputs)

    def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        predictions = model(batch)
        return {name: (predictions[:, i] ** 2).sum(dim=1) for i, name in enumerate("abcd"[:tasks])}

    return Setup(model, [torch.randn(5, 4), torch.randn(3, 4)], losses, torch.optim.SGD(model.parameters()))


TRUNK = ("trunk.0", "trunk.2", "trunk.3")


@pytest.mark.parametrize("how", ["minibatch", "folds", "split"])
@pytest.mark.parametrize(("tasks", "outputs"), [(2, 1), (3, 1), (3, 2)])
def test_a_fused_head_is_left_out_however_it_is_first_measured(how, tasks, outputs):
    probe = _measure(_fused(tasks, outputs), how)
    assert probe.shared.layers == TRUNK
    assert probe.trace.header.layers == TRUNK
    assert probe.trace.header.excluded == ("head",)
    assert probe.trace.header.parameters == (30, 42, 12)
    assert probe.trace.gramians[0].gramian.layers == TRUNK


def test_a_fused_head_would_dilute_the_cosine():
    setup = _fused()
    losses = setup.losses(setup.model, setup.loader[0])
    everything = GradientProbe(setup.model, focal="a", shared=setup.model).measure(losses).gramian
    head = everything.values[everything.layers.index("head")]
    assert head[0, 1] == head[0, 2] == head[1, 2] == 0.0
    assert head[0, 0] > 0


def test_a_fused_head_is_left_out_where_layers_are_named_more_coarsely():
    setup = _fused()
    probe = _measure(setup, layers=lambda name: "everything")
    assert probe.shared.names == tuple(name for name, _ in setup.model.trunk.named_parameters("trunk"))
    assert probe.trace.header.layers == ("everything",)
    assert probe.trace.header.excluded == ("head",)


@pytest.mark.parametrize("how", ["minibatch", "split"])
def test_the_last_layer_of_chemprops_own_model_is_such_a_head(how):
    setup = _setup("chemprop_mpnn")
    header = _measure(setup, how).trace.header
    linear = [name for name, module in setup.model.predictor.named_modules() if isinstance(module, nn.Linear)]
    assert header.excluded == (f"predictor.{linear[-1]}",)
    assert f"predictor.{linear[0]}" in header.layers
    assert {"message_passing.W_i", "message_passing.W_h", "message_passing.W_o", "bn"} < set(header.layers)


@pytest.mark.parametrize("how", ["minibatch", "folds", "split"])
@pytest.mark.parametrize("name", ["mlp_dropout_batchnorm", "dmpnn", "gine_batchnorm", "lstm", "transformer"])
def test_heads_of_one_task_are_left_out_and_the_rest_is_kept(name, how):
    setup = _setup(name)
    header = _measure(setup, how).trace.header
    assert header.excluded == ("heads.0", "heads.1", "heads.2")
    assert sum(header.parameters) == sum(p.numel() for p in setup.model.trunk.parameters())


def test_a_head_joined_to_the_others_is_left_out_also_while_its_task_has_no_rows():
    setup = _setup("mlp_dropout_batchnorm")
    losses = setup.losses(setup.model, next(iter(setup.loader)))
    probe = GradientProbe(setup.model, focal="a")
    probe.measure({"a": losses["a"], "b": losses["b"], "c": losses["c"][:0]})
    assert probe.trace.header.excluded == ("heads.0", "heads.1", "heads.2")
    assert probe.trace.header.tasks == ("a", "b")
    probe.measure(losses)
    assert probe.trace.header.tasks == ("a", "b", "c")


class Joined(nn.Module):
    """A trunk with a residual branch, and one head a task whose outputs are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.branch = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 6))
        self.heads = nn.ModuleList(nn.Linear(6, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        representation = stem + self.branch(stem)
        return torch.cat([head(representation) for head in self.heads], dim=1)


def _joined(zero: nn.Module, model: Joined, tasks: str) -> GradientProbe:
    for parameter in zero.parameters():
        nn.init.zeros_(parameter)
    outputs = model(torch.randn(5, 4))
    probe = GradientProbe(model, focal="a")
    probe.measure({task: (outputs[:, "abc".index(task)] - 1) ** 2 for task in tasks})
    return probe


@pytest.mark.parametrize("tasks", ["abc", "ab"])
def test_a_residual_branch_that_starts_at_zero_is_trunk_and_a_silent_head_is_not(tasks):
    model = Joined()
    header = _joined(model.branch[2], model, tasks).trace.header
    assert header.layers == ("stem", "branch.0", "branch.2")
    assert header.excluded == ("heads.0", "heads.1", "heads.2")


def test_the_trunk_is_found_behind_heads_that_start_at_zero():
    model = Joined()
    probe = _joined(model.heads, model, "abc")
    assert probe.trace.header.layers == ("stem", "branch.0", "branch.2")
    assert probe.trace.gramians[0].gramian.total.tolist() == [[0.0] * 3] * 3
    frame = probe.trace.frame()
    assert set(frame[frame.quantity == "cosine"].reason) == {"a zero gradient has no direction"}


def test_one_task_with_a_gradient_is_not_enough_to_find_the_trunk_by():
    model = Joined()
    outputs = model(torch.randn(5, 4))
    with pytest.raises(MeasurementError, match=r"gradients other than zero of at least two tasks .*\['a'\]"):
        GradientProbe(model, focal="a").measure({"a": outputs[:, 0] ** 2, "b": 0.0 * outputs[:, 1]})


@pytest.mark.parametrize("how", ["minibatch", "folds", "split"])
@pytest.mark.parametrize("name", ["dense_embedding", "sparse_embedding"])
def test_an_embedding_is_kept_though_no_two_tasks_have_a_token_in_common(name, how):
    probe = _measure(_setup(name), how)
    assert probe.trace.header.layers == ("tokens", "mix")
    gramian = probe.trace.gramians[0].gramian.by_task().values[0]
    assert gramian[0, 0] > 0
    assert gramian[0, 1] == gramian[0, 2] == 0.0


@pytest.mark.parametrize("how", ["minibatch", "folds", "split"])
def test_layers_that_one_of_three_tasks_misses_are_kept(how):
    header = _measure(_setup("missed_layers"), how).trace.header
    assert header.layers == ("early", "late")
    assert header.excluded == ("heads.0", "heads.1", "heads.2")


def test_a_layer_that_two_of_three_tasks_miss_is_that_tasks_own():
    setup = _setup("missed_layers")
    losses = setup.losses(setup.model, next(iter(setup.loader)))
    del losses["b"]
    probe = GradientProbe(setup.model, focal="a")
    probe.measure(losses)
    assert probe.trace.header.layers == ("early",)
    assert probe.trace.header.excluded == ("late", "heads.0", "heads.1", "heads.2")


def test_tied_weights_are_kept_and_counted_once():
    header = _measure(_setup("tied_weights")).trace.header
    assert (header.layers, header.parameters, header.excluded) == (("tokens", "mix"), (66, 42), ())


def test_frozen_layers_are_neither_trunk_nor_heads():
    header = _measure(_setup("frozen_layer")).trace.header
    assert header.layers == ("trunk.1", "trunk.4")
    assert header.excluded == ("heads.0", "heads.1", "heads.2")


def test_the_trunk_stays_what_the_first_measurement_found():
    setup = _fused()
    probe = _measure(setup)
    chosen = probe.shared
    probe.measure_loader(setup.loader, setup.losses, split="heldout")
    two = dict(list(setup.losses(setup.model, setup.loader[0]).items())[1:])
    probe.measure(two)
    assert probe.shared is chosen
    assert {record.gramian.layers for record in probe.trace.gramians} == {TRUNK}


def test_a_measurement_that_fails_settles_nothing():
    setup = _fused()
    probe = GradientProbe(setup.model, focal="a")
    with pytest.raises(MeasurementError):
        probe.measure({k: v * float("nan") for k, v in setup.losses(setup.model, setup.loader[0]).items()})
    assert probe.shared is None
    assert probe.trace.header.layers == ()


def test_tasks_without_anything_in_common_share_no_trunk():
    model = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    losses = {name: layer(torch.ones(3, 2))[:, 0] for name, layer in zip("ab", model, strict=True)}
    with pytest.raises(
        MeasurementError, match=r"shared: expected .* at least two tasks reach, got none; .*shared="
    ):
        GradientProbe(model, focal="a").measure(losses)


def test_a_module_or_parameters_may_be_named_instead():
    setup = _fused()
    chosen = GradientProbe(setup.model, focal="a", shared=setup.model.trunk[2]).shared
    assert chosen.names == ("trunk.2.weight", "trunk.2.bias")
    assert GradientProbe(setup.model, focal="a", shared=setup.model.head.parameters()).shared.layers == (
        "head",
    )
    by_kind = GradientProbe(
        setup.model, focal="a", shared=setup.model.trunk, layers=lambda name: name.rpartition(".")[2]
    ).shared
    assert by_kind.layers == ("weight", "bias")
    assert by_kind.counts == (24 + 36 + 6, 18)


def test_a_parameter_that_the_model_owns_itself_is_a_layer_of_its_own():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.linear = nn.Parameter(torch.ones(())), nn.Linear(2, 2)

    assert GradientProbe(m := Scaled(), focal="a", shared=m).shared.layers == ("scale", "linear")
