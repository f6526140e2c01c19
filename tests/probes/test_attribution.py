from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import heldout_products
from gradprobe.probes import GradientProbe
from gradprobe.probes.folds import StandingFolds
from gradprobe.trace import JUDGES, Trace
from tests._zoo import Setup, zoo
from tests.probes.test_heldout import _judges, _loss
from tests.probes.test_inert import _assert_same_history, _train

APART = (
    "mlp_disjoint_rows",
    "dmpnn",
    "lstm",
    "transformer",
    "chained_reuse",
    "dense_embedding",
    "missed_layers",
)
EVERY_CASE = pytest.mark.parametrize("case", zoo(), ids=lambda case: case.name)
TASKS = ("focal", "aux")


def net() -> nn.Module:
    torch.manual_seed(3)
    trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh())
    return nn.ModuleDict({"trunk": trunk, **{task: nn.Linear(5, 1) for task in TASKS}}).double()


def squares(model: Any, x: Tensor, y: Tensor, task: str) -> Tensor:
    return (model[task](model["trunk"](x))[:, 0] - y) ** 2


class Rows:
    """Batches of two tasks whose molecules overlap, and held-out rows of the focal task."""

    def __init__(self, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(seed)
        draw = lambda *size: torch.randn(*size, generator=g, dtype=torch.float64)  # noqa: E731
        self.x = {"focal": draw(6, 4), "aux": draw(9, 4)}
        self.y = {task: draw(len(x)) for task, x in self.x.items()}
        self.names = {"focal": list("abcdef"), "aux": list("defghijkl")}
        self.heldout, self.target = draw(8, 4), draw(8)
        self.heldout_names = [f"held{i}" for i in range(8)]

    def losses(self, model: Any) -> dict[str, Tensor]:
        return {task: squares(model, self.x[task], self.y[task], task) for task in TASKS}

    def measure(self, probe: GradientProbe, model: Any, **options: Any) -> Any:
        with probe.heldout():
            judge = squares(model, self.heldout, self.target, "focal")
        fixed = {
            "rows": self.names,
            "heldout": judge,
            "heldout_rows": self.heldout_names,
            "attribute": "rows",
        }
        return probe.measure(self.losses(model), **(fixed | options))


def random_signs() -> np.random.Generator:
    """What draws the signs of a probe with seed 0."""
    return np.random.default_rng([0, 2])


def gradients(loss: Tensor, model: Any) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model["trunk"].parameters()), retain_graph=True))


def judged(rows: Rows, model: Any, signs: Any) -> dict[str, list[Tensor]]:
    """The gradients that effects are on, by a pass each."""
    each = squares(model, rows.heldout, rows.target, "focal")
    first = torch.tensor([StandingFolds(0).of(name) == "A" for name in rows.heldout_names])
    assert 0 < int(first.sum()) < len(first)
    losses = {"H": each.mean(), "A": each[first].mean(), "B": each[~first].mean()}
    losses["N"] = (torch.as_tensor(signs.choice([-1.0, 1.0], 8)) * each).mean()
    losses["F"] = rows.losses(model)["focal"].mean()
    return {name: gradients(loss, model) for name, loss in losses.items()}


def expected_effects(rows: Rows, model: Any, weights: dict[str, float], scale: list[Any], signs: Any) -> Any:
    """(task, molecule) -> effects [j], by one backward pass a row."""
    on = judged(rows, model, signs)
    found = {}
    for task, loss in rows.losses(model).items():
        for name, row in zip(rows.names[task], loss, strict=True):
            own = gradients(row * weights[task] / len(loss), model)
            found[task, name] = [
                sum(float((s * a * b).sum()) for s, a, b in zip(scale, own, on[judge], strict=True))
                for judge in JUDGES
            ]
    return found


def sums_in(trace: Trace) -> dict[tuple[str, str], Any]:
    total: dict[tuple[str, str], Any] = {}
    for record in trace.molecules:
        for task, name, own in zip(record.tasks, record.molecules, record.values, strict=True):
            total[task, name] = total.get((task, name), 0) + own
    return total


def assert_sums(found: Any, steps: list[Any]) -> None:
    keys = {key for step in steps for key in step}
    assert set(found) == keys
    for key in keys:
        effects = np.array([step[key] for step in steps if key in step])
        np.testing.assert_array_equal(found[key][:, 0], len(effects))
        scale = np.abs(effects).sum(0) + 1e-12
        assert (np.abs(found[key][:, 1] - effects.sum(0)) <= 1e-9 * scale).all()
        assert (np.abs(found[key][:, 2] - (effects**2).sum(0)) <= 1e-9 * scale**2).all()


def test_effects_are_those_of_a_row_loop_with_weights_and_counts_of_rows():
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    rows.measure(probe, model, weights={"focal": 0.7, "aux": -2.0})
    probe.flush()
    assert [record.geometry for record in probe.trace.molecules] == ["plain"]
    expected = expected_effects(rows, model, {"focal": 0.7, "aux": -2.0}, [1.0] * 4, random_signs())
    assert_sums(sums_in(probe.trace), [expected])


def test_effects_are_at_the_update_made_with_rates_and_diagonal_of_the_optimiser():
    model, rows = net(), Rows()
    first, second = model["trunk"][0], model["trunk"][2]
    optimiser = torch.optim.Adam(
        [
            {"params": [first.weight, *second.parameters()], "lr": 0.01},
            {"params": [first.bias], "lr": 0.3},
            {"params": [*model["focal"].parameters(), *model["aux"].parameters()]},
        ]
    )
    probe = GradientProbe(model, focal="focal", shared=model["trunk"], precondition=optimiser)
    note = rows.measure(probe, model).note
    assert "no attribution, since the optimiser has not yet moved 'trunk.0.weight'" in note
    steps, signs = [], random_signs()
    signs.choice([-1.0, 1.0], 8)  # of the step that could not be measured
    for seed in range(3):
        sum(loss.mean() for loss in Rows(seed).losses(model).values()).backward()
        optimiser.step()
        scale = []
        for parameter, rate in zip(model["trunk"].parameters(), [0.01, 0.3, 0.01, 0.01], strict=True):
            state = optimiser.state[parameter]
            v = state["exp_avg_sq"] / (1 - 0.999 ** float(state["step"]))
            scale.append(rate / (v.sqrt() + 1e-8))
        rows.measure(probe, model)
        steps.append(expected_effects(rows, model, dict.fromkeys(TASKS, 1.0), scale, signs))
    probe.flush()
    assert {record.geometry for record in probe.trace.molecules} == {"preconditioned"}
    assert_sums(sums_in(probe.trace), steps)


def test_the_shares_of_a_task_add_up_to_its_inner_product_in_the_trace():
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    record = rows.measure(probe, model)
    probe.flush()
    products, effects = heldout_products([record.gramian], focal="focal")
    sums = sums_in(probe.trace)
    for task in TASKS:
        shares = sum(own[0, 1] for (of, _), own in sums.items() if of == task)
        assert shares == pytest.approx(effects[0, products.tasks.index(task)], rel=1e-10)


def test_a_step_along_one_row_alone_takes_its_effect_off_the_held_out_loss():
    """By moving the parameters, without any gradient of the held-out loss."""
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    rows.measure(probe, model)
    probe.flush()
    sums, size = sums_in(probe.trace), 1e-5
    row = rows.losses(model)["aux"][2] / 9
    direction = gradients(row, model)
    values = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            for parameter, own in zip(model["trunk"].parameters(), direction, strict=True):
                parameter.sub_(own, alpha=sign * size)
            values.append(float(squares(model, rows.heldout, rows.target, "focal").mean()))
            for parameter, own in zip(model["trunk"].parameters(), direction, strict=True):
                parameter.add_(own, alpha=sign * size)
    assert sums["aux", rows.names["aux"][2]][0, 1] == pytest.approx(
        (values[1] - values[0]) / (2 * size), rel=1e-5
    )


def test_what_is_missing_is_left_out_of_the_sums():
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    rows.measure(probe, model, heldout_rows=None)
    rows.measure(probe, model, heldout=None, heldout_rows=None)
    probe.flush()
    visits = sums_in(probe.trace)["aux", "g"][:, 0]
    assert dict(zip(JUDGES, visits, strict=True)) == {"H": 1, "A": 0, "B": 0, "N": 0, "F": 2}


@EVERY_CASE
@pytest.mark.filterwarnings("ignore:focal. expected 'a' among the losses:UserWarning")
def test_attribution_leaves_every_run_as_it_was_also_where_it_is_refused(case):
    measured = []

    def attach(setup: Setup) -> Any:
        probe = GradientProbe(setup.model, focal="a")
        batch = _judges(setup)

        def measure(losses: dict[str, Tensor], step: int) -> None:
            names = {task: [f"{i}" for i in range(loss.numel())] for task, loss in losses.items()}
            with probe.heldout():
                judge = _loss(setup, setup.model, batch)["a"]
            try:
                probe.measure(losses, step=step, rows=names, heldout=judge, attribute="rows")
                measured.append(step)
            except (MeasurementError, InputError):
                pass

        return measure

    probed, _ = _train(case, attach)
    _assert_same_history(probed, _train(case)[0])
    assert measured or case.name not in APART


def test_long_runs_are_folded_and_read_back_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("gradprobe.probes.molecule_sums._VISITS", 40)
    model, steps, signs = net(), [], random_signs()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    probe = GradientProbe(model, focal="focal", shared=model["trunk"], out=tmp_path / "trace")
    for step in range(40):
        rows = Rows(step % 5)
        rows.names = {task: [f"{name}{step % 5}" for name in own] for task, own in rows.names.items()}
        rows.measure(probe, model)
        steps.append(expected_effects(rows, model, dict.fromkeys(TASKS, 1.0), [1.0] * 4, signs))
        optimiser.zero_grad()
        sum(loss.mean() for loss in rows.losses(model).values()).backward()
        optimiser.step()
    probe.close()
    loaded = Trace.load(tmp_path / "trace")
    assert not loaded.damaged
    assert_sums(sums_in(loaded), steps)
    # 600 visits to 75 entries in 10 records, rather than one a step.
    assert 5 <= len(loaded.molecules) <= 12
    copied = tmp_path / "copy"
    loaded.save(copied)
    assert_sums(sums_in(Trace.load(copied)), steps)


def test_what_is_pending_is_kept_when_the_probe_is_forgotten(tmp_path):
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"], out=tmp_path / "trace")
    rows.measure(probe, model)
    assert not probe.trace.molecules
    del probe
    gc.collect()
    assert len(sums_in(Trace.load(tmp_path / "trace"))) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attribute": "molecules"}, "attribute: expected 'rows' or None"),
        ({"rows": "positions"}, "rows: expected task -> the molecule behind each row"),
        ({"weights": {"focal": 1.0}}, r"weights: expected one for each task, got none for \['aux'\]"),
        ({"weights": {"focal": 1.0, "aux": float("nan")}}, "weights: expected finite numbers"),
        ({"attribute": None, "weights": {"focal": 1.0, "aux": 1.0}}, "weights: expected attribute='rows'"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_before_anything_is_recorded(options, message):
    model, rows = net(), Rows()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    with pytest.raises(InputError, match=message):
        rows.measure(probe, model, **options)
    probe.flush()
    assert not probe.trace.gramians
    assert not probe.trace.molecules


def test_batch_norm_in_train_mode_is_refused_by_name_and_records_nothing():
    model, rows = net(), Rows()
    model["trunk"].insert(1, nn.BatchNorm1d(6).double())
    probe = GradientProbe(model, focal="focal", shared=model["trunk"])
    with pytest.raises(MeasurementError, match=r"attribute: .* batch norm in train mode \(trunk.1\)"):
        rows.measure(probe, model)
    assert not probe.trace.gramians
    model.eval()
    rows.measure(probe, model)
    assert len(probe.trace.gramians) == 1


def test_sampled_steps_meet_every_batch_where_every_tenth_meets_one():
    def batches_met(**options: Any) -> list[int]:
        model, rows = net(), Rows()
        probe = GradientProbe(model, focal="focal", shared=model["trunk"], **options)
        met = []
        for step in range(400):
            if probe.due:
                met.append(step % 10)
                probe.measure(rows.losses(model), step=step)
            else:
                assert probe.measure(rows.losses(model), step=step) is None
        assert probe.trace.header.sample == options.get("sample")
        return met

    assert set(batches_met(every=10)) == {0}
    sampled = batches_met(sample=0.2)
    assert set(sampled) == set(range(10))
    # 80 expected, with a standard deviation of 8.
    assert 56 <= len(sampled) <= 104


def test_the_probability_of_a_step_is_recorded_and_draws_leave_random_numbers_alone():
    model, rows = net(), Rows()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    probe = GradientProbe(model, focal="focal", shared=model["trunk"], sample=1.0)
    rows.measure(probe, model)
    probe.flush()
    assert torch.equal(torch.get_rng_state(), before)
    assert probe.trace.molecules[0].probability == 1.0
    other = GradientProbe(model, focal="focal", shared=model["trunk"], every=4)
    rows.measure(other, model)
    other.flush()
    assert other.trace.molecules[0].probability == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 0.0}, "sample: expected a probability above 0"),
        ({"sample": 1.5}, "sample: expected a probability above 0"),
        ({"sample": True}, "sample: expected a probability above 0"),
        ({"sample": 0.5, "every": 10}, "sample: expected either every= or sample="),
    ],
)
def test_schedules_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        GradientProbe(net(), focal="focal", **options)
