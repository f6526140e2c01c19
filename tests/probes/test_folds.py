from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.geometry import Group
from gradprobe.probes import GradientProbe
from gradprobe.probes.folds import split_into_folds
from gradprobe.probes.losses import GroupLoss
from tests import _oracles

Names = Mapping[str, Sequence[Hashable]]


def _split(names: Names, rng: np.random.Generator) -> tuple[list[GroupLoss], dict[tuple[str, str], set]]:
    """The groups, and the molecules in each, read off losses that are powers of two."""
    losses = {
        task: (2.0 ** torch.arange(len(rows), dtype=torch.float64)).requires_grad_()
        for task, rows in names.items()
    }
    groups = split_into_folds(losses, names, rng)
    members = {}
    for part in groups:
        code = round(part.loss.item() * part.rows)
        rows = names[part.group.task]
        members[part.group.task, part.group.fold] = {rows[i] for i in range(len(rows)) if code >> i & 1}
        assert len(members[part.group.task, part.group.fold]) == part.rows
    return groups, members


OVERLAPPING = {"a": list(range(9)), "b": list(range(5, 14)), "c": [13, 2, 20], "alone": ["x", "y", "z"]}


@pytest.mark.parametrize("seed", range(30))
def test_every_row_is_in_one_fold_and_every_molecule_in_the_same_fold_for_all_tasks(seed):
    _, members = _split(OVERLAPPING, np.random.default_rng(seed))
    for task, rows in OVERLAPPING.items():
        both = [members.get((task, fold), set()) for fold in "AB"]
        assert both[0] | both[1] == set(rows)
    in_a = set().union(*(rows for (_, fold), rows in members.items() if fold == "A"))
    in_b = set().union(*(rows for (_, fold), rows in members.items() if fold == "B"))
    assert in_a.isdisjoint(in_b)
    shared = in_a - {"x", "y", "z"}
    assert len(shared) in (7, 8), "of fifteen molecules"


@pytest.mark.parametrize("seed", range(20))
def test_folds_are_balanced_where_tasks_share_no_molecules_or_all(seed):
    apart = {"a": range(7), "b": range(10, 14), "c": [99, 98]}
    dense = {"a": range(6), "b": [5, 3, 1, 0, 2, 4]}
    for names in (apart, dense):
        _, members = _split(names, np.random.default_rng(seed))
        for task, rows in names.items():
            assert abs(len(members[task, "A"]) - len(members[task, "B"])) == len(rows) % 2


def test_groups_stand_task_by_task_with_fold_a_first():
    groups, _ = _split({"b": range(4), "a": range(4)}, np.random.default_rng(0))
    assert [part.group for part in groups] == [
        Group("b", "A"), Group("b", "B"), Group("a", "A"), Group("a", "B")
    ]  # fmt: skip


def test_a_task_with_one_row_has_one_fold_which_is_either():
    seen = set()
    for seed in range(20):
        groups, _ = _split({"a": ["x"], "b": range(4)}, np.random.default_rng(seed))
        assert len(groups) == 3
        seen.add(groups[0].group)
    assert seen == {Group("a", "A"), Group("a", "B")}


def test_both_bipartitions_of_an_odd_number_and_all_of_an_even_one_come_up_equally_often():
    rng, counts = np.random.default_rng(1), {}
    for _ in range(1200):
        _, members = _split({"a": range(4), "b": range(4)}, rng)
        key = frozenset(members["a", "A"])
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert max(abs(count - 200) for count in counts.values()) < 5 * np.sqrt(200)


def test_inner_products_across_folds_average_to_those_of_distinct_molecules():
    """Across folds: the U-statistic, also on the diagonal, for tasks that share all their molecules."""
    generator = torch.Generator().manual_seed(0)
    model, x = nn.Linear(3, 2).double(), torch.randn(4, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(4, 2, generator=generator, dtype=torch.float64)

    def losses(rows: slice = slice(None)) -> dict[str, torch.Tensor]:
        each = (torch.tanh(model(x[rows])).sum(dim=1, keepdim=True) - y[rows]) ** 2
        return {"a": each[:, 0], "b": each[:, 1]}

    per_row = [
        _oracles.task_gradients(model, lambda own, rows: _rows_of(own, x, y, rows), slice(r, r + 1), seed=0)
        for r in range(4)
    ]
    flat = {
        task: [np.concatenate([g.ravel() for g in row[task].values()]) for row in per_row] for task in "ab"
    }
    probe = GradientProbe(model, focal="a", shared=model, engine="loop")
    found = []
    for _ in range(300):
        gramian = probe.measure(losses(), rows={"a": range(4), "b": range(4)}).gramian
        at = {(g.task, g.fold): i for i, g in enumerate(gramian.groups)}
        found.append([[gramian.total[at[i, "A"], at[j, "B"]] for j in "ab"] for i in "ab"])
    spread = np.std(found, axis=0) / np.sqrt(len(found))
    for i, one in enumerate("ab"):
        for j, other in enumerate("ab"):
            pairs = [flat[one][r] @ flat[other][s] for r in range(4) for s in range(4) if r != s]
            raw = np.mean(flat[one], axis=0) @ np.mean(flat[other], axis=0)
            mean = np.mean(found, axis=0)[i, j]
            assert abs(mean - np.mean(pairs)) < 4 * spread[i, j]
            if i == j:
                assert abs(raw - np.mean(pairs)) > 6 * spread[i, j], "the raw number is another one"


def _rows_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor, rows: slice) -> dict[str, torch.Tensor]:
    each = (torch.tanh(model(x[rows])).sum(dim=1, keepdim=True) - y[rows]) ** 2
    return {"a": each[:, 0], "b": each[:, 1]}


def _products_across(splits: Sequence[Mapping[tuple[str, str], float]], one: str, other: str) -> np.ndarray:
    return np.array([s[one, "A"] * s[other, "B"] for s in splits if (one, "A") in s and (other, "B") in s])


def _random_step(rng: np.random.Generator) -> tuple[Names, dict[str, torch.Tensor]]:
    """Twelve molecules, each labelled for a task with probability 0.6, whose gradients (one number
    each, here the loss itself) depend on whether the other task has a label too: +1 or -1.
    """
    labelled = rng.random((12, 2)) < 0.6
    names = {task: [int(i) for i in np.flatnonzero(labelled[:, k])] for k, task in enumerate("ab")}
    sign = np.where(labelled.all(axis=1), 1.0, -1.0)
    return names, {task: torch.tensor(sign[names[task]]) for task in "ab" if names[task]}


def _fold_means(names: Names, losses: dict[str, torch.Tensor], rng: np.random.Generator) -> dict:
    return {(p.group.task, p.group.fold): p.loss.item() for p in split_into_folds(losses, names, rng)}


def test_products_across_folds_are_unbiased_where_tasks_share_some_molecules():
    """Balancing each task after the first by its own molecules gives 0.10 here for b with itself."""
    rng = np.random.default_rng(0)
    splits = [_fold_means(*_random_step(rng), rng) for _ in range(3000)]
    for one in "ab":
        for other in "ab":
            products = _products_across(splits, one, other)
            assert abs(products.mean() - 0.2**2) < 4 * products.std() / np.sqrt(len(products)), one + other


def test_a_bipartition_a_task_would_give_back_the_raw_number():
    rng = np.random.default_rng(0)
    right, wrong, raw = [], [], []
    for _ in range(500):
        gradients = torch.tensor(rng.normal(size=8))
        losses, names = {"a": gradients, "b": gradients}, {"a": range(8), "b": range(8)}
        right.append(_fold_means(names, losses, rng))
        wrong.append(
            {key: value for task in "ab" for key, value in _fold_means(names, {task: gradients}, rng).items()}
        )
        raw.append(float(gradients.mean()) ** 2)
    across, apart = _products_across(right, "a", "b"), _products_across(wrong, "a", "b")
    assert abs(across.mean()) < 4 * across.std() / np.sqrt(500)
    assert np.mean(raw) == pytest.approx(1 / 8, rel=0.2)
    assert abs(apart.mean() - 1 / 8) < 4 * apart.std() / np.sqrt(500)
    assert apart.mean() > 8 * apart.std() / np.sqrt(500)


def test_the_gramian_of_folds_merges_into_that_of_whole_tasks():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    output = model(x)
    losses = {"a": output[:7, 0] ** 2, "b": output[3:, 1] ** 2}
    rows = {"a": torch.arange(7), "b": [str(i) if i > 6 else i for i in range(3, 9)]}
    probe = GradientProbe(model, focal="a", shared=model)
    folded, whole = probe.measure(losses, rows=rows), probe.measure(losses)
    assert folded.gramian.folded
    assert not whole.gramian.folded
    merged = folded.gramian.by_task()
    _oracles.assert_gramians_agree(merged.values, whole.gramian.values, 1e-12)
    assert merged.rows == whole.gramian.rows == (7, 6)
    for task, loss in zip("ab", whole.losses, strict=True):
        mine = [i for i, group in enumerate(folded.gramian.groups) if group.task == task]
        counts = [folded.gramian.rows[i] for i in mine]
        assert np.average(folded.losses[mine], weights=counts) == pytest.approx(loss)


def test_folds_follow_from_the_probes_seed():
    def drawn(seed: int) -> list[np.ndarray]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        probe = GradientProbe(model, focal="a", shared=model, seed=seed)
        output = model(torch.ones(8, 3).cumsum(0))
        losses = {"a": output[:, 0], "b": output[:, 1]}
        return [probe.measure(losses, rows={"a": range(8), "b": range(8)}).gramian.values for _ in range(3)]

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    assert not np.array_equal(drawn(1)[0], drawn(1)[1])
