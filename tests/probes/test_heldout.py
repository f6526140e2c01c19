from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import Group, heldout_products
from gradprobe.probes import GradientProbe, inert
from gradprobe.trace import Trace
from tests import _oracles
from tests._zoo import Setup, zoo
from tests.probes._state import assert_same, training_state
from tests.probes.test_inert import _assert_same_history, _train

EVERY_CASE = pytest.mark.parametrize("case", zoo(), ids=lambda case: case.name)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def _judges(setup: Setup) -> Any:
    """A batch of the case with focal rows, from a pass of its own."""
    with inert(setup.model, loader=setup.loader):
        return next(b for b in setup.loader if _loss(setup, setup.model, b)["a"].numel())


def _loss(setup: Setup, model: nn.Module, batch: Any) -> dict[str, Tensor]:
    losses = setup.for_split(model, batch)
    return {task: entry[0] if isinstance(entry, tuple) else entry for task, entry in losses.items()}


@EVERY_CASE
def test_a_run_judged_on_held_out_rows_is_the_unprobed_run_bit_for_bit(case):
    def attach(setup: Setup) -> Any:
        probe, plain = (GradientProbe(setup.model, focal="a") for _ in range(2))
        judges = _judges(setup)

        def measure(losses: dict[str, Tensor], step: int) -> None:
            with probe.heldout():
                judge = _loss(setup, setup.model, judges)["a"]
            own, without = probe.measure(losses, heldout=judge).gramian, plain.measure(losses).gramian
            assert own.groups[-1] == Group("a", "H")
            # Two measurements: the held-out group may change the shape of a product, and so its rounding.
            _oracles.assert_gramians_agree(own.without_heldout().values, without.values, 1e-6)

        return measure

    _assert_same_history(_train(case, attach)[0], _train(case)[0])


@EVERY_CASE
# The first batch of the case with disjoint rows happens to hold no focal row.
@pytest.mark.filterwarnings("ignore:focal. expected 'a' among the losses:UserWarning")
@pytest.mark.parametrize("order", ["heldout first", "step first"])
def test_the_held_out_gradient_is_that_of_a_pass_in_eval_mode_before_or_after_the_steps_own(case, order):
    """Before it, batch-norm statistics move between the pass and the way back, and checkpoints recompute."""
    setup = case.build()
    batch, judges = next(iter(setup.loader)), _judges(setup)
    gradients = _oracles.task_gradients(setup.model, setup.losses, batch, seed=3)
    twin = case.build()
    if order == "step first":
        torch.manual_seed(3)
        with torch.no_grad():
            twin.losses(twin.model, batch)
    reference = _oracles.split_gradients(twin.model, lambda own: {"judge": _loss(setup, own, judges)["a"]})
    probe, made = GradientProbe(setup.model, focal="a"), {}

    def judge() -> None:
        with probe.heldout():
            made["judge"] = _loss(setup, setup.model, judges)["a"]

    def step() -> None:
        torch.manual_seed(3)
        made["step"] = setup.losses(setup.model, batch)

    for action in (judge, step) if order == "heldout first" else (step, judge):
        action()
    own = probe.measure(made["step"], heldout=made["judge"])
    layers: dict[str, list[str]] = {}
    for name, layer in zip(probe.shared.names, probe.shared.layer_of, strict=True):
        layers.setdefault(probe.shared.layers[layer], []).append(name)
    order_of_groups = {task: gradients[task] for task in own.gramian.tasks}
    oracle = _oracles.gramian_by_loops({**order_of_groups, **reference}, layers)
    tolerance = 0.05 if case.name == "autocast" else TOLERANCE[case.dtypes[0]]
    _oracles.assert_gramians_agree(own.gramian.values, oracle, tolerance)
    assert own.losses[-1] == pytest.approx(made["judge"].mean().item(), rel=1e-6)


def _model() -> tuple[nn.Module, nn.ModuleList]:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.LayerNorm(6), nn.Dropout(0.3))
    return nn.Sequential(trunk, nn.Linear(6, 2)).double(), trunk


def _losses(model: nn.Module, rows: slice) -> dict[str, Tensor]:
    x = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    squares = model(x[rows]).square()
    half = len(squares) // 2
    return {"a": squares[:half, 0], "b": squares[half:, 1]}


NAMES = {"a": range(8), "b": range(8, 16)}


def _measured(engine: str, **options: Any) -> tuple[GradientProbe, Any]:
    model, trunk = _model()
    probe = GradientProbe(model, focal="a", shared=trunk, engine=engine)
    losses = _losses(model, slice(16))
    with probe.heldout():
        judge = _losses(model, slice(16, 36))["a"]
    return probe, probe.measure(losses, heldout=judge, **options)


@pytest.mark.parametrize("rows", [None, NAMES])
def test_both_engines_agree_on_held_out_products(rows):
    (_, own), (_, loop) = (_measured(engine, rows=rows) for engine in ("rowwise", "loop"))
    assert (own.engine, loop.engine) == ("rowwise", "loop")
    assert own.gramian.groups == loop.gramian.groups
    assert own.gramian.rows[-1] == 10
    _oracles.assert_gramians_agree(own.gramian.values, loop.gramian.values, 1e-10)


def test_held_out_rows_come_back_from_a_stored_trace(tmp_path):
    model, trunk = _model()
    with GradientProbe(model, focal="a", shared=trunk, out=tmp_path / "trace") as probe:
        losses = _losses(model, slice(16))
        with probe.heldout():
            judge = _losses(model, slice(16, 36))["a"]
        record = probe.measure(losses, rows=NAMES, heldout=judge, heldout_rows=range(20, 30))
    (stored,) = Trace.load(tmp_path / "trace").gramians
    assert stored.gramian.groups == record.gramian.groups
    np.testing.assert_array_equal(
        heldout_products([stored.gramian], focal="a")[1], heldout_products([record.gramian], focal="a")[1]
    )
    assert stored.gramian.tasks == ("a", "b")
    frame = probe.trace.frame()
    assert set(frame.task) == {"a", "b", ""}
    assert len(frame[(frame.quantity == "cosine") & (frame.layer == "")]) == 1
    effects = frame[frame.quantity == "heldout_effect"].set_index(["layer", "task"]).value
    np.testing.assert_allclose(effects[""], heldout_products([record.gramian], focal="a")[1][0])
    assert effects.drop("", level="layer").groupby("task").sum().to_list() == pytest.approx([*effects[""]])
    assert frame[(frame.quantity == "rows") & (frame.other == "H")].value.to_list() == [10]


def test_a_step_without_the_focal_task_is_judged_all_the_same():
    model, trunk = _model()
    probe = GradientProbe(model, focal="x", shared=trunk)
    with probe.heldout():
        judge = _losses(model, slice(16, 36))["a"]
    with pytest.warns(UserWarning, match="focal: expected 'x' among the losses"):
        gramian = probe.measure(_losses(model, slice(16)), heldout=judge).gramian
    assert gramian.tasks == ("a", "b")
    assert np.isfinite(heldout_products([gramian], focal="x")[1]).all()


def test_no_held_out_rows_give_no_group():
    model, trunk = _model()
    probe = GradientProbe(model, focal="a", shared=trunk)
    losses = _losses(model, slice(16))
    with probe.heldout():
        judge = _losses(model, slice(16, 17))["a"]
    assert probe.measure(losses, heldout=judge, heldout_rows=[]).gramian.groups == (Group("a"), Group("b"))


def test_due_tells_which_calls_measure():
    model, _ = _model()
    probe = GradientProbe(model, focal="a", every=3)
    told, measured = [], []
    for _ in range(7):
        told.append(probe.due)
        measured.append(probe.measure(_losses(model, slice(16))) is not None)
    assert told == measured == [True, False, False, True, False, False, True]


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    setup = Setup(model, [], lambda *_: {}, torch.optim.SGD(model.parameters(), lr=0.1))
    before = training_state(setup)
    yield
    assert_same(training_state(setup), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heldout_rows": range(7, 17)}, "heldout_rows: expected molecules that are not in the step, got 9"),
        ({"heldout_rows": range(20, 23)}, "heldout_rows: expected 10 distinct molecules"),
        ({"heldout": None, "heldout_rows": range(20, 30)}, "expected the held-out loss too"),
        ({"heldout": [1.0]}, "heldout: expected a scalar tensor or one number a row, got list"),
    ],
)
def test_held_out_rows_that_cannot_judge_are_refused(options, message):
    model, trunk = _model()
    probe = GradientProbe(model, focal="a", shared=trunk)
    losses = _losses(model, slice(16))
    with probe.heldout():
        judge = _losses(model, slice(16, 36))["a"]
    with _unchanged(model), pytest.raises(InputError, match=message):
        probe.measure(losses, rows=NAMES, **({"heldout": judge} | options))
    assert not probe.trace.gramians


def test_a_loss_from_outside_a_held_out_pass_is_refused():
    model, trunk = _model()
    probe = GradientProbe(model, focal="a", shared=trunk)
    losses = _losses(model, slice(16))
    with pytest.raises(InputError, match=r"inside `with probe\.heldout\(\):`"):
        probe.measure(losses, heldout=_losses(model, slice(16, 36))["a"])
    with probe.heldout():
        judge = _losses(model, slice(16, 36))["a"]
    probe.measure(losses, heldout=judge)
    with pytest.raises(InputError, match="since the last measurement"):
        probe.measure(losses, heldout=judge)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda loss: loss * float("nan"), MeasurementError, "heldout: expected finite losses"),
        (lambda loss: loss.detach(), MeasurementError, "heldout: expected a loss with a graph"),
        (lambda loss: loss[:, None], InputError, r"heldout: expected a scalar tensor .* got shape \(10, 1\)"),
    ],
)
def test_held_out_losses_that_cannot_be_measured_are_named(spoil, error, message):
    model, trunk = _model()
    probe = GradientProbe(model, focal="a", shared=trunk)
    losses = _losses(model, slice(16))
    with probe.heldout():
        judge = spoil(_losses(model, slice(16, 36))["a"])
    with _unchanged(model), pytest.raises(error, match=message):
        probe.measure(losses, heldout=judge)
