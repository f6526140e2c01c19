from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients import RowProductEngine, all_parameters
from tests._zoo import TASKS, zoo

# Cases with batch norm in train mode, and one whose losses are scalars.
MIXING = {
    "mlp_dropout_batchnorm", "gine_batchnorm", "checkpointed", "accumulation", "gradient_hook",
    "own_generator",
}  # fmt: skip
SCALARS = {"chemprop_mpnn"}
BY_LOOP = {"checkpointed", "gradient_hook"}
CASES = [case for case in zoo() if case.name not in SCALARS]
DOUBLE = [case for case in CASES if torch.float64 in case.dtypes]


def row_loop(losses, shared, directions):
    """Inner products [b, d] by one backward pass a row, and the norms [b] of the rows' gradients."""
    found, norms = {}, {}
    for task, loss in losses.items():
        products, lengths = [], []
        for row in loss:
            gradients = torch.autograd.grad(row, shared.parameters, retain_graph=True, allow_unused=True)
            dense = [None if g is None else g.to_dense().double() for g in gradients]
            products.append([_dot(dense, direction) for direction in directions])
            lengths.append(_dot(dense, dense) ** 0.5)
        found[task], norms[task] = np.array(products), np.array(lengths)
    return found, norms


def _dot(one, other):
    pairs = zip(one, other, strict=True)
    return sum(float((a * b.double()).sum()) for a, b in pairs if a is not None and b is not None)


def random_directions(shared, count=2):
    generator = torch.Generator().manual_seed(4)
    return [
        [
            torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
            for p in shared.parameters
        ]
        for _ in range(count)
    ]


def present(setup, batch):
    return {task: loss for task, loss in setup.losses(setup.model, batch).items() if loss.numel()}


def assert_matches_the_row_loop(found, losses, shared, directions, tolerance):
    expected, norms = row_loop(losses, shared, directions)
    lengths = np.array([_dot(d, d) ** 0.5 for d in [[g.double() for g in d] for d in directions]])
    assert list(found.values) == list(losses)
    for task in losses:
        error = np.abs(found.values[task] - expected[task])
        assert (error <= tolerance * np.outer(norms[task], lengths)).all(), task


@pytest.mark.parametrize("case", DOUBLE, ids=lambda case: case.name)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_rows_of_the_zoo_are_those_of_a_row_loop_or_refused_by_name(case, train):
    setup = case.build(torch.float64)
    torch.manual_seed(1)
    setup.model.train(train)
    if case.name == "frozen_layer":
        setup.model.trunk[1].eval()
    shared = all_parameters(setup.model)
    engine = RowProductEngine()
    directions = random_directions(shared)
    for _, batch in zip(range(3), setup.loader, strict=False):
        losses = present(setup, batch)
        if train and case.name in MIXING:
            with pytest.raises(MeasurementError, match=r"batch norm in train mode \(.*(trunk|block|convs)"):
                engine.measure(losses, shared, directions, model=setup.model)
            continue
        found = engine.measure(losses, shared, directions, model=setup.model)
        assert_matches_the_row_loop(found, losses, shared, directions, 1e-10)
        assert ("by loop" in found.note) == (case.name in BY_LOOP), found.note


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_narrow_dtypes_agree_within_their_rounding(dtype):
    case = next(case for case in zoo() if case.name == "mlp_disjoint_rows")
    setup = case.build(dtype)
    shared = all_parameters(setup.model)
    directions = random_directions(shared)
    losses = present(setup, next(iter(setup.loader)))
    names = {task: [(task, i) for i in range(loss.numel())] for task, loss in losses.items()}
    found = RowProductEngine().measure(losses, shared, directions, model=setup.model, molecules=names)
    tolerance = 1e-4 if dtype == torch.float32 else 5e-2
    assert_matches_the_row_loop(found, losses, shared, directions, tolerance)


@pytest.mark.parametrize("name", ["mlp_disjoint_rows", "dmpnn", "dense_embedding"])
def test_the_shares_of_a_task_add_up_to_its_inner_product(name):
    setup = next(case for case in zoo() if case.name == name).build(torch.float64)
    shared = all_parameters(setup.model)
    directions = random_directions(shared)
    losses = present(setup, next(iter(setup.loader)))
    means = {task: loss / loss.numel() for task, loss in losses.items()}
    found = RowProductEngine().measure(means, shared, directions, model=setup.model)
    for task, loss in losses.items():
        gradient = torch.autograd.grad(loss.mean(), shared.parameters, retain_graph=True, allow_unused=True)
        dense = [None if g is None else g.to_dense() for g in gradient]
        whole = np.array([_dot(dense, direction) for direction in directions])
        scale = _dot(dense, dense) ** 0.5 * np.array([_dot(d, d) ** 0.5 for d in directions])
        assert (np.abs(found.values[task].sum(0) - whole) <= 1e-10 * scale).all()


class Attention(nn.Module):
    """Rows of the batch attend to each other."""

    def __init__(self):
        super().__init__()
        self.enter, self.out = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        h = self.enter(x)
        return self.out(torch.softmax(h @ h.T, dim=1) @ h)


def test_attention_across_rows_is_refused_with_the_reason():
    model = Attention().double()
    out = model(torch.randn(6, 5, dtype=torch.float64))
    losses = {task: out[:, i] ** 2 for i, task in enumerate(TASKS)}
    shared = all_parameters(model)
    with pytest.raises(MeasurementError, match="attention across rows"):
        RowProductEngine().measure(losses, shared, random_directions(shared), model=model)


def test_rows_that_are_centred_a_little_on_their_mean_are_refused():
    enter, out = nn.Linear(5, 4).double(), nn.Linear(4, 1).double()
    model = nn.ModuleList([enter, out])
    h = enter(torch.randn(6, 5, dtype=torch.float64))
    losses = {"a": out(h - 1e-6 * h.mean(0))[:, 0] ** 2}
    shared = all_parameters(model)
    with pytest.raises(MeasurementError, match="statistics of the batch"):
        RowProductEngine().measure(losses, shared, random_directions(shared), model=model)


def test_a_contrastive_loss_is_refused():
    model = nn.Linear(5, 4).double()
    h = nn.functional.normalize(model(torch.randn(6, 5, dtype=torch.float64)), dim=1)
    losses = {"a": nn.functional.cross_entropy(h @ h.T, torch.arange(6), reduction="none")}
    shared = all_parameters(model)
    with pytest.raises(MeasurementError, match="contrastive"):
        RowProductEngine().measure(losses, shared, random_directions(shared), model=model)


def test_tasks_without_a_common_molecule_share_their_passes(monkeypatch):
    from gradprobe.gradients import row_products

    setup = next(case for case in zoo() if case.name == "mlp_disjoint_rows").build(torch.float64)
    shared = all_parameters(setup.model)
    losses = present(setup, next(iter(setup.loader)))
    calls = []
    real = row_products.together
    monkeypatch.setattr(row_products, "together", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    apart = {task: [(task, i) for i in range(loss.numel())] for task, loss in losses.items()}
    directions = random_directions(shared)
    RowProductEngine().measure(losses, shared, directions, model=setup.model, molecules=apart)
    assert len(calls) == 1
    calls.clear()
    same = {task: list(range(loss.numel())) for task, loss in losses.items()}
    RowProductEngine().measure(losses, shared, directions, model=setup.model, molecules=same)
    assert len(calls) == len(losses)


def test_rows_that_names_wrongly_call_disjoint_are_still_told_apart():
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    out = model(torch.randn(6, 5, dtype=torch.float64))
    losses = {task: out[:, i] ** 2 for i, task in enumerate(TASKS)}
    shared = all_parameters(model)
    names = {task: [(task, i) for i in range(6)] for task in TASKS}
    directions = random_directions(shared)
    found = RowProductEngine().measure(losses, shared, directions, model=model, molecules=names)
    assert_matches_the_row_loop(found, losses, shared, directions, 1e-10)
