from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.encoders import dmpnn, gine, mlp
from gradprobe.encoders.graphs import molecular_graphs
from gradprobe.errors import MeasurementError
from gradprobe.gradients import LoopEngine, RowwiseEngine, all_parameters
from gradprobe.gradients.rowwise import plan, step, tracing
from tests._oracles import assert_gramians_agree
from tests._zoo import zoo
from tests.gradients._traps import TRAPS, Plain, disjoint

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-2}
ZOO = [(case, dtype) for case in zoo() for dtype in case.dtypes]
# Traps that only the loop can measure.
BY_LOOP = {
    "batch_norm_in_train_mode", "penalty_on_all_weights", "activation_hook_that_clips", "low_rank_update",
    "half_precision_range", "a_loss_that_is_a_parameter",
}  # fmt: skip
# Traps in which some parameters are measured by loop, and which.
PARTLY = {
    "weight_penalty": "enter.weight",
    "parametrised_weight": "middle.parametrizations",
    "orthogonal_weight": "middle.parametrizations",
    "recomputed_checkpoint": "middle.inner",
    "a_parameter_for_each_row": "middle.table",
    "hook_on_a_parameter": "enter.weight",
    "gradient_scaled_by_frequency": "table.weight",
}
# Traps in which rows mix or carry several losses: one pass a group, or fewer.
IN_TURNS = {
    "functional_batch_norm", "rows_centred_on_their_mean", "attention_across_rows", "identical_gradients",
    "one_loss_given_twice", "width_one_rows", "shared_bottleneck", "mixing_of_width_one",
    "weight_made_from_the_batch", "mixing_drowned_by_a_larger_loss", "rows_mixed_up_in_pairs",
    "custom_function", "several_labels_a_row", "activation_hook_that_clips_shared_rows",
}  # fmt: skip


def assert_agrees_with_the_loop(capture, losses, shared, tolerance):
    oracle = LoopEngine().capture(losses, shared)
    assert_gramians_agree(capture.gramian(), oracle.gramian(), tolerance)
    weights = np.linspace(-1.0, 2.0, len(losses))
    lengths = np.sqrt(np.diagonal(oracle.gramian().sum(0)))
    for own, reference in zip(capture.combined(weights), oracle.combined(weights), strict=True):
        assert (own is None) == (reference is None)
        if own is not None:
            assert own.dtype == reference.dtype
            assert own.layout == reference.layout
            error = (own.to_dense().double() - reference.to_dense().double()).norm()
            assert float(error) <= tolerance * float(np.abs(weights) @ lengths)
    direction = oracle.combined(weights[::-1].copy())
    error = np.abs(capture.products(direction) - oracle.products(direction)).sum(0)
    assert (error <= tolerance * lengths * np.sqrt(lengths @ lengths) * np.abs(weights).sum()).all()


def dtype_of(model):
    return next(model.parameters()).dtype


@pytest.mark.parametrize(("case", "dtype"), ZOO, ids=[f"{c.name}-{str(d)[6:]}" for c, d in ZOO])
@pytest.mark.parametrize("verify_every", [1, 20])
def test_every_model_of_the_zoo_agrees_with_the_loop_on_every_step(case, dtype, verify_every):
    setup = case.build(dtype)
    torch.manual_seed(1)
    shared = all_parameters(setup.model)
    engine = RowwiseEngine(verify_every=verify_every)
    tolerance = TOLERANCE[torch.bfloat16 if case.name == "autocast" else dtype]
    for _, batch in zip(range(3), setup.loader, strict=False):
        losses = [loss.mean() for loss in setup.losses(setup.model, batch).values() if loss.numel()]
        capture = engine.capture(losses, shared)
        assert_agrees_with_the_loop(capture, losses, shared, tolerance)
        if setup.rows_are_disjoint:
            assert capture.engine == "rowwise"
            assert not capture.note


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("verify_every", [1, 20])
def test_a_planted_trap_is_measured_right_or_handed_to_the_loop_with_a_note(name, verify_every):
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    try:
        model, make_losses = TRAPS[name]()
        shared = all_parameters(model)
        engine = RowwiseEngine(verify_every=verify_every)
        for _ in range(4):
            losses = make_losses()
            capture = engine.capture(losses, shared)
            assert_agrees_with_the_loop(capture, losses, shared, TOLERANCE[dtype_of(model)])
            assert capture.engine == ("loop" if name in BY_LOOP else "rowwise"), capture.note
            assert bool(capture.note) == (name in BY_LOOP | PARTLY.keys() | IN_TURNS), capture.note
            assert PARTLY.get(name, "") in capture.note
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("seed", range(20))
def test_proportional_gradients_on_shared_rows_are_never_taken_for_another_tasks(seed):
    torch.manual_seed(seed)
    model = Plain(width=1).double()
    shared = all_parameters(model)
    x = torch.randn(4, 4, dtype=torch.float64)
    h = model(x)[:, 0]
    losses = [h.sum() * factor for factor in (1, 2, -1.5, 3, 7)]
    assert_agrees_with_the_loop(RowwiseEngine(seed=seed).capture(losses, shared), losses, shared, 1e-10)


@pytest.mark.parametrize("groups", [2, 119, 120, 121, 250])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_groups_is_told_apart(groups, dtype):
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(3, 5), nn.Softmax(dim=1), nn.Linear(5, 4)).to(dtype)
    out = trunk(torch.randn(2 * groups, 3, dtype=dtype))
    order = torch.randperm(2 * groups)
    losses = [out[own].square().mean() for own in order.split(2)]
    capture = RowwiseEngine().capture(losses, all_parameters(trunk))
    assert capture.engine == "rowwise"
    assert not capture.note
    assert_agrees_with_the_loop(capture, losses, all_parameters(trunk), TOLERANCE[dtype])


def test_tasks_in_any_order_of_rows_agree_with_the_loop():
    torch.manual_seed(0)
    for width in (3, 40):
        trunk = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, width)).double()
        out = trunk(torch.randn(30, 3, dtype=torch.float64))
        for order in (torch.arange(30), torch.randperm(30)):
            losses = [out[own].square().mean() for own in order[:24].split([2, 6, 16])]
            capture = RowwiseEngine().capture(losses, all_parameters(trunk))
            assert not capture.note
            assert_agrees_with_the_loop(capture, losses, all_parameters(trunk), 1e-10)


def count_full_passes(monkeypatch) -> list[int]:
    """The number of outputs that each backward pass asks for."""
    asked: list[int] = []
    plain = plan.Step.rows

    def rows(self, groups, outputs, factors=None):
        asked.append(len(outputs))
        return plain(self, groups, outputs, factors)

    monkeypatch.setattr(plan.Step, "rows", rows)
    return asked


def test_a_model_of_separate_rows_takes_one_full_pass_and_a_second_one_every_twentieth_time(monkeypatch):
    model = Plain()
    losses = disjoint(model)
    asked = count_full_passes(monkeypatch)
    engine, full = RowwiseEngine(), []
    for _ in range(41):
        asked.clear()
        engine.capture(losses(), all_parameters(model))
        # Without the pass over heads alone, which a task's own head always asks for.
        full.append(sum(outputs == 5 for outputs in asked))
    verified = [count > 1 for count in full]
    assert [i for i, checked in enumerate(verified) if checked] == [0, 20, 40]
    assert min(full) == 1


def test_a_wrong_row_map_is_noticed_when_it_is_checked_and_never_trusted(monkeypatch):
    torch.manual_seed(0)
    model = Plain()
    losses, shared = disjoint(model), all_parameters(model)
    wrong = {**tracing._RULES, ("TanhBackward0", None): lambda node, slot, owner: owner.roll(1)}
    monkeypatch.setattr(tracing, "_RULES", wrong)
    engine = RowwiseEngine()
    for _ in range(5):
        now = losses()
        assert_agrees_with_the_loop(engine.capture(now, shared), now, shared, 1e-4)


def test_a_row_map_that_goes_wrong_later_is_noticed_at_the_next_check(monkeypatch):
    torch.manual_seed(0)
    model = Plain()
    losses, shared = disjoint(model), all_parameters(model)
    engine = RowwiseEngine(verify_every=2)
    engine.capture(losses(), shared)
    engine.capture(losses(), shared)
    wrong = {**tracing._RULES, ("TanhBackward0", None): lambda node, slot, owner: owner.roll(1)}
    monkeypatch.setattr(tracing, "_RULES", wrong)
    for _ in range(4):
        now = losses()
        assert_agrees_with_the_loop(engine.capture(now, shared), now, shared, 1e-4)


def by_slices(h):
    return [h[4 * i : 4 * i + 4] for i in range(3)]


def by_shuffled_rows(h):
    return [h[own] for own in torch.randperm(12).split(4)]


def by_masks(h):
    task = torch.arange(3).repeat(4)[torch.randperm(12)]
    return [h[task == i] for i in range(3)]


def by_strides(h):
    active = torch.relu(h)
    return [active[i::3] for i in range(3)]


def own_losses(model, choose):
    h = model.leave(torch.tanh(model.enter(torch.randn(12, 4, dtype=torch.float64))))
    return [head(part).square().mean() for head, part in zip(model.heads, choose(h), strict=True)]


@pytest.mark.parametrize("choose", [by_slices, by_shuffled_rows, by_masks, by_strides])
def test_a_known_way_from_loss_to_rows_needs_no_pass_of_its_own(choose, monkeypatch):
    torch.manual_seed(0)
    model = Plain().double()
    engine, shared = RowwiseEngine(verify_every=4), all_parameters(model)
    passes = []
    rows = step.Step.rows
    monkeypatch.setattr(step.Step, "rows", lambda *args: passes.append(args) or rows(*args))
    counts = []
    for _ in range(8):
        losses = own_losses(model, choose)
        passes.clear()
        capture = engine.capture(losses, shared)
        counts.append(len(passes))
        assert_agrees_with_the_loop(capture, losses, shared, 1e-10)
        assert capture.engine == "rowwise"
        assert not capture.note
    assert counts[1:4] == counts[5:8] == [1, 1, 1]
    assert min(counts[0], counts[4]) > 1, "checked on first use, and again when that is due"


def test_tasks_that_come_and_go_are_read_off_the_graph_too(monkeypatch):
    torch.manual_seed(0)
    model = Plain().double()
    engine, shared = RowwiseEngine(), all_parameters(model)
    engine.capture(own_losses(model, by_masks)[:2], shared)
    monkeypatch.setattr(step, "find_owners", lambda *_: pytest.fail("a pass to tell rows apart"))
    for present in ((0, 2), (1, 2), (0, 1)):
        losses = [loss for i, loss in enumerate(own_losses(model, by_masks)) if i in present]
        assert_agrees_with_the_loop(engine.capture(losses, shared), losses, shared, 1e-10)


def test_rows_that_come_to_be_shared_under_a_known_structure_are_noticed_at_once():
    torch.manual_seed(0)
    model = Plain().double()
    engine, shared = RowwiseEngine(), all_parameters(model)
    for overlap in (0, 0, 2, 0, 2):
        losses = own_losses(model, lambda h, by=overlap: [h[0 : 4 + by], h[4:8], h[8:12]])
        assert_agrees_with_the_loop(engine.capture(losses, shared), losses, shared, 1e-10)


def test_a_task_that_reads_an_earlier_layer_is_not_taken_for_the_owner_of_what_others_use():
    torch.manual_seed(0)
    model = Plain().double()
    engine, shared = RowwiseEngine(), all_parameters(model)
    # At first the others have no gradient, so that nothing contradicts an owner of all the rows.
    for scale in (0.0, 1.0, 1.0):
        first = model.enter(torch.randn(12, 4, dtype=torch.float64))
        last = model.leave(torch.tanh(first)) * scale
        parts = (first, last[:6], last[6:])
        losses = [head(part).square().mean() for head, part in zip(model.heads, parts, strict=True)]
        assert_agrees_with_the_loop(engine.capture(losses, shared), losses, shared, 1e-10)


def test_a_rule_that_misreads_the_rows_of_a_loss_is_never_trusted(monkeypatch):
    torch.manual_seed(0)
    wrong = {**tracing._RULES, ("SliceBackward0", 0): lambda *a: tracing._sliced(*a).roll(4)}
    monkeypatch.setattr(tracing, "_RULES", wrong)
    model = Plain().double()
    engine, shared = RowwiseEngine(), all_parameters(model)
    for _ in range(3):
        losses = own_losses(model, by_slices)
        capture = engine.capture(losses, shared)
        assert capture.engine == "rowwise"
        assert_agrees_with_the_loop(capture, losses, shared, 1e-10)


@pytest.mark.parametrize("tasks", [3, 6])
def test_groups_that_share_rows_take_as_many_passes_as_the_most_crowded_row_has_labels(tasks):
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)).double()
    out = trunk(torch.randn(4 * tasks, 3, dtype=torch.float64))
    # Every row carries two labels: tasks 0 and 1 the first rows, 2 and 3 the next, ...
    losses = [out[i // 2 * 8 : i // 2 * 8 + 8].pow(2 + i % 2).mean() for i in range(tasks)]
    capture = RowwiseEngine().capture(losses, all_parameters(trunk))
    assert capture.engine == "rowwise"
    assert capture.note.startswith("2 passes")
    assert_agrees_with_the_loop(capture, losses, all_parameters(trunk), 1e-10)


def test_sharing_that_comes_and_goes_is_measured_right_each_time():
    torch.manual_seed(0)
    trunk = nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.BatchNorm1d(5, affine=False), nn.Linear(5, 4)
    ).double()
    shared, engine = all_parameters(trunk), RowwiseEngine()
    for training, stretches in (
        (False, (slice(0, 8), slice(4, 12))),
        (False, (slice(0, 6), slice(6, 12))),
        (True, (slice(0, 6), slice(6, 12))),
        (False, (slice(0, 8), slice(4, 12))),
    ):
        out = trunk.train(training)(torch.randn(12, 3, dtype=torch.float64))
        losses = [out[own].square().mean() for own in stretches]
        assert_agrees_with_the_loop(engine.capture(losses, shared), losses, shared, 1e-10)


def test_a_model_that_changes_its_mode_is_measured_right_in_each():
    torch.manual_seed(0)
    model = Plain(nn.BatchNorm1d(6)).double()
    losses = disjoint(model, torch.randn(12, 4, dtype=torch.float64))
    engine, shared = RowwiseEngine(), all_parameters(model)
    for training, expected in ((False, "rowwise"), (True, "loop"), (False, "rowwise"), (True, "loop")):
        model.train(training)
        now = losses()
        capture = engine.capture(now, shared)
        assert capture.engine == expected
        assert_agrees_with_the_loop(capture, now, shared, 1e-10)


def test_the_jacobian_of_a_capture_is_the_loops():
    torch.manual_seed(0)
    model = Plain().double()
    losses = disjoint(model, torch.randn(12, 4, dtype=torch.float64))()
    shared = all_parameters(model)
    rows = RowwiseEngine().capture(losses, shared).jacobian().rows
    for own, reference in zip(rows, LoopEngine().capture(losses, shared).rows, strict=True):
        for mine, theirs in zip(own, reference, strict=True):
            if theirs is not None:
                torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-14)


def test_a_capture_leaves_the_graph_and_the_gradients_alone():
    torch.manual_seed(0)
    model = Plain()
    losses = disjoint(model)()
    random_state = torch.get_rng_state()
    RowwiseEngine().capture(losses, all_parameters(model)).combined(np.ones(3))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random_state, torch.get_rng_state())
    torch.stack(losses).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_engine_keeps_nothing_of_a_step_alive():
    model = Plain()
    engine = RowwiseEngine()
    inputs: list[weakref.ref[torch.Tensor]] = []
    model.leave.register_forward_hook(lambda _, args, __: inputs.append(weakref.ref(args[0])))
    losses = disjoint(model)()
    engine.capture(losses, all_parameters(model)).gramian()
    assert inputs[0]() is not None, "the graph holds the input of each layer"
    del losses
    gc.collect()
    assert inputs[0]() is None


def test_a_graph_that_is_gone_is_the_loops_error():
    model = Plain()
    losses = disjoint(model)()
    torch.stack(losses).sum().backward()
    with pytest.raises(MeasurementError, match="measure before calling backward"):
        RowwiseEngine().capture(losses, all_parameters(model))


def test_gradients_that_are_not_finite_stay_so():
    torch.manual_seed(0)
    model = Plain()
    first, *others = disjoint(model)()
    engine = RowwiseEngine()
    for bad in (torch.nan, torch.inf):
        values = engine.capture([first * bad, *others], all_parameters(model)).gramian()
        assert not np.isfinite(values[:, 0, 0]).all()


def test_a_reentrant_checkpoint_is_refused():
    model = Plain()
    hidden = nn.Linear(6, 6)
    inputs = torch.randn(12, 6, requires_grad=True)
    h = torch.utils.checkpoint.checkpoint(hidden, inputs, use_reentrant=True)
    losses = [model.leave(h)[:6].sum(), model.leave(h)[6:].sum()]
    with pytest.raises(MeasurementError, match="use_reentrant=False"):
        RowwiseEngine().capture(losses, all_parameters(model))


def test_the_same_losses_are_measured_alike_twice():
    torch.manual_seed(0)
    model = Plain()
    losses, shared, engine = disjoint(model)(), all_parameters(model), RowwiseEngine()
    first, second = (engine.capture(losses, shared).gramian() for _ in range(2))
    assert_gramians_agree(first, second, 1e-6)  # row hints of the first may reorder sums


def test_complex_parameters_are_measured_by_loop():
    """Products of real numbers would lose what the imaginary parts have in common."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(3, 4, dtype=torch.complex128)
    inputs = torch.randn(6, 3, dtype=torch.complex128, generator=generator)
    outputs = model(inputs).abs().square().sum(1)
    losses = [outputs[:3].mean(), outputs[3:].mean()]
    capture = RowwiseEngine().capture(losses, all_parameters(model))
    assert "loop" in capture.note
    oracle = LoopEngine().capture(losses, all_parameters(model))
    assert_gramians_agree(capture.gramian(), oracle.gramian(), 1e-10)


@pytest.mark.parametrize("encoder", ["mlp", "dmpnn", "gine"])
def test_owners_are_read_off_the_graph_of_every_bundled_encoder(encoder, monkeypatch):
    torch.manual_seed(0)
    trunk, inputs = bundled(encoder)
    asked = count_full_passes(monkeypatch)
    engine, shared = RowwiseEngine(), all_parameters(trunk)
    for verified in (True, False, False):
        losses = [rows.square().mean() for rows in trunk(inputs).tensor_split(3)]
        asked.clear()
        capture = engine.capture(losses, shared)
        assert not capture.note
        assert sum(outputs == max(asked) for outputs in asked) == (2 if verified else 1)
        assert_agrees_with_the_loop(capture, losses, shared, 1e-4)


def bundled(name):
    if name == "mlp":
        return mlp.MLP(5, width=7, depth=2, dropout=0.1), torch.randn(9, 5)
    graphs = molecular_graphs(["CCO", "c1ccccc1", "CC(=O)N", "CCCN", "C1CC1", "COC"], None).select(
        np.arange(6)
    )
    atoms, bonds = graphs.atoms.shape[1], graphs.bonds.shape[1]
    if name == "dmpnn":
        return dmpnn.DMPNN(atoms, bonds, dmpnn.DMPNNOptions(width=7, dropout=0.1)), dmpnn.to_chemprop(graphs)
    return gine.GINE(atoms, bonds, gine.GINEOptions(width=7)), gine.to_pyg(graphs)
