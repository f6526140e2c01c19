from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.geometry import FoldProducts, Group
from gradprobe.probes import GradientProbe
from gradprobe.probes.folds import StandingFolds
from tests import _oracles


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()


X = torch.randn(24, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _sparse(model: nn.Module, batch: list[int]) -> dict[str, Tensor]:
    """Task a has a label on every molecule but each third, b on all but each fourth."""
    squares = model(X[batch]).square()
    return {task: squares[_rows_in(task, batch), i] for i, task in enumerate("ab")}


def _rows_in(task: str, batch: list[int]) -> list[int]:
    return [i for i, molecule in enumerate(batch) if molecule % {"a": 3, "b": 4}[task]]


def _names(batch: list[int]) -> dict[str, list[int]]:
    return {task: [batch[i] for i in _rows_in(task, batch)] for task in "ab"}


BATCHES = [list(range(10)), list(range(10, 17)), list(range(17, 24))]


def _measured(batches: list[list[int]], engine: str = "auto", **options: Any) -> Any:
    model = _model()
    probe = GradientProbe(model, focal="a", shared=model[0], engine=engine, seed=3)
    return probe.measure_loader(batches, _sparse, split="heldout", **({"rows": _names} | options))


@pytest.mark.parametrize("engine", ["rowwise", "loop"])
def test_the_folds_of_a_split_are_those_of_its_molecules_in_one_big_batch(engine):
    folds, model = StandingFolds(3), _model()
    record = _measured(BATCHES, engine)

    def by_fold(own: nn.Module) -> dict[str, Tensor]:
        squares = own(X).square()
        return {
            f"{group.task}{group.fold}": squares[
                [m for m in _names(list(range(24)))[group.task] if folds.of(m) == group.fold],
                "ab".index(group.task),
            ]
            for group in record.gramian.groups
        }

    gradients = _oracles.split_gradients(model, by_fold)
    oracle = _oracles.gramian_by_loops(gradients, {"0": ["0.weight", "0.bias"]})
    assert len(record.gramian.groups) == 4
    _oracles.assert_gramians_agree(record.gramian.values, oracle, 1e-10)
    assert sum(record.gramian.rows) == len(_names(list(range(24)))["a"]) + len(_names(list(range(24)))["b"])


def test_folds_merge_into_the_whole_tasks_of_the_split():
    folded, whole = _measured(BATCHES).gramian, _measured(BATCHES, rows=None).gramian
    _oracles.assert_gramians_agree(folded.by_task().values, whole.values, 1e-12)
    assert folded.by_task().rows == whole.rows


def test_a_molecule_stays_in_its_fold_whatever_batch_it_comes_in():
    forward = _measured(BATCHES).gramian
    shuffled = _measured(
        [list(own) for own in np.random.default_rng(0).permutation(24).reshape(4, 6)]
    ).gramian
    at = [shuffled.groups.index(group) for group in forward.groups]
    np.testing.assert_allclose(forward.values, shuffled.values[:, at][:, :, at], rtol=1e-10)


def test_folds_are_the_same_in_every_process_and_for_every_way_to_write_a_name():
    names = ["CCO", 5, 10**12, ("x", 1)]
    asked = (
        f"from gradprobe.probes.folds import StandingFolds as S; f = S(7); print([f.of(n) for n in {names}])"
    )
    other = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"}
    )
    assert other.stdout.strip() == str([StandingFolds(7).of(name) for name in names])
    for one, same in ((5, np.int64(5)), ("CCO", np.str_("CCO"))):
        for seed in range(20):
            assert StandingFolds(seed).of(one) == StandingFolds(seed).of(same)
    folds = StandingFolds(0)
    assert {folds.of(1), folds.of(1.0), folds.of(True)} == {folds.of(1)}


def test_folds_are_halves_and_differ_between_seeds():
    drawn = [[StandingFolds(seed).of(f"m{i}") for i in range(2000)] for seed in range(2)]
    assert abs(drawn[0].count("A") - 1000) < 4 * np.sqrt(500)
    agree = sum(a == b for a, b in zip(*drawn, strict=True))
    assert abs(agree - 1000) < 4 * np.sqrt(500)


def _dense(model: nn.Module, batch: list[int]) -> dict[str, Tensor]:
    squares = model(X[batch]).square()
    return {"a": squares[:, 0], "b": squares[:, 1]}


def test_without_names_a_row_of_a_dense_label_matrix_is_a_molecule():
    model = _model()
    probe = GradientProbe(model, focal="a", shared=model[0])
    record = probe.measure_loader(BATCHES, _dense, split="train", rows="positions")
    products = FoldProducts.of([record.gramian])
    np.testing.assert_array_equal(products.rows[0, :, 0], products.rows[0, :, 1])
    assert products.rows.sum() == 48
    step = probe.measure(_dense(model, BATCHES[0]), rows="positions")
    assert step.gramian.folded
    assert "no folds" not in step.note
    assert step.gramian.rows == (5, 5, 5, 5)


def test_tasks_of_unequal_numbers_of_rows_get_no_folds_and_the_note_says_so():
    model = _model()
    probe = GradientProbe(model, focal="a", shared=model[0])
    step = probe.measure(_sparse(model, BATCHES[0]), rows="positions")
    assert step.gramian.groups == (Group("a"), Group("b"))
    assert step.note.startswith("no folds: ")

    def dense_at_first(model: nn.Module, batch: list[int]) -> dict[str, Tensor]:
        return _dense(model, batch) if len(batch) == 10 else _sparse(model, batch)

    split = probe.measure_loader(BATCHES, dense_at_first, split="train", rows="positions")
    plain = probe.measure_loader(BATCHES, dense_at_first, split="train")
    assert split.gramian.groups == (Group("a"), Group("b"))
    assert split.gramian.rows == plain.gramian.rows
    assert split.note.startswith("no folds: ")
    _oracles.assert_gramians_agree(split.gramian.values, plain.gramian.values, 1e-12)
    np.testing.assert_allclose(split.losses, plain.losses)


def test_a_fold_a_task_would_give_back_the_biased_number():
    """Two tasks with the same noise on the same molecules: nothing is in common but the noise."""
    generator, right, wrong = torch.Generator().manual_seed(0), [], []
    for seed in range(150):
        model = nn.Linear(1, 1, bias=False).double()
        noise = torch.randn(12, dtype=torch.float64, generator=generator)

        def losses(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
            rows = model(batch[:, None])[:, 0]
            return {"a": rows, "b": rows.clone()}

        for found, names in (
            (right, {"a": range(12), "b": range(12)}),
            (wrong, {"a": range(12), "b": [f"b{i}" for i in range(12)]}),
        ):
            probe = GradientProbe(model, focal="a", shared=model, seed=seed)
            gramian = probe.measure_loader(
                [noise], losses, split="train", rows=lambda batch, names=names: names
            ).gramian
            sums, counts = FoldProducts.of([gramian]).across
            if counts[0, 0, 1]:
                found.append(sums[0, 0, 1] / counts[0, 0, 1])
    assert abs(np.mean(right)) < 4 * np.std(right) / np.sqrt(len(right))
    assert np.mean(wrong) == pytest.approx(1 / 12, abs=4 * np.std(wrong) / np.sqrt(len(wrong)))
    assert np.mean(wrong) > 5 * np.std(wrong) / np.sqrt(len(wrong))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            lambda batch: {"a": range(len(_rows_in("a", batch)))},
            "rows: expected a per-row loss and the molecule",
        ),
        (lambda batch: _names(batch[:2]), r"rows\['a'\]: expected 6 distinct molecules"),
    ],
)
def test_rows_that_are_not_named_one_for_one_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        _measured(BATCHES, rows=names)


def test_a_mean_loss_has_no_rows_to_name():
    model = _model()
    probe = GradientProbe(model, focal="a", shared=model[0])
    with pytest.raises(InputError, match="got a scalar"):
        probe.measure_loader(
            BATCHES,
            lambda model, batch: {
                task: (loss.mean(), len(loss)) for task, loss in _sparse(model, batch).items()
            },
            split="train",
            rows=_names,
        )
    with pytest.raises(InputError, match="rows: expected molecules by task, 'positions' or 'partition'"):
        probe.measure(_dense(model, BATCHES[0]), rows="halves")
