from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import (
    FoldProducts,
    Gramian,
    Group,
    TaskProducts,
    corrected_cosines,
    gain,
    heldout_products,
    heldout_trials,
)
from gradprobe.geometry.decision import reweighted

A, B, H = "ABH"
LAYERS = ("first", "second")


def _step(seed: int, groups: list[Group], rows: list[int]) -> tuple[Gramian, np.ndarray]:
    """A Gramian and the gradients [l, g, d] behind it."""
    J = np.random.default_rng(seed).normal(size=(2, len(groups), 5)) + 0.4
    return Gramian(tuple(groups), LAYERS, J @ J.transpose(0, 2, 1), tuple(rows), (5, 5)), J


def _window() -> list[tuple[Gramian, np.ndarray]]:
    """In folds; without held-out rows; whole tasks, the focal one missing."""
    folds = [Group("a", A), Group("a", B), Group("b", A), Group("b", B), Group("a", H)]
    return [
        _step(0, folds, [3, 1, 2, 2, 9]),
        _step(1, folds[:4], [3, 1, 2, 2]),
        _step(2, [Group("a", H), Group("c"), Group("b")], [9, 0, 0]),
    ]


def test_effects_are_products_of_whole_task_gradients_with_the_held_out_gradient():
    (first, J), (second, _), (third, K) = _window()
    products, effects = heldout_products([first, second, third], focal="a")
    assert products.tasks == ("a", "b", "c")
    flat, other = np.concatenate(list(J), axis=1), np.concatenate(list(K), axis=1)
    a, b = (3 * flat[0] + flat[1]) / 4, (flat[2] + flat[3]) / 2
    np.testing.assert_allclose(effects[0], [a @ flat[4], b @ flat[4], np.nan])
    assert np.isnan(effects[1]).all()
    np.testing.assert_allclose(effects[2], [np.nan, other[2] @ other[0], other[1] @ other[0]])
    assert products.present.tolist() == [[True, True, False], [True, True, False], [False, True, True]]
    np.testing.assert_allclose(products.values[0][:2, :2], [[a @ a, a @ b], [a @ b, b @ b]])


def test_effects_on_layers_add_up_to_those_over_all():
    gramians = [gramian for gramian, _ in _window()]
    whole = heldout_products(gramians, focal="a")[1]
    parts = [heldout_products(gramians, focal="a", layer=layer)[1] for layer in LAYERS]
    np.testing.assert_allclose(parts[0] + parts[1], whole)
    with pytest.raises(InputError, match="layer: expected one of"):
        heldout_products(gramians, focal="a", layer="third")


def test_held_out_rows_of_another_task_judge_nothing():
    gramians = [gramian for gramian, _ in _window()]
    assert np.isnan(heldout_products(gramians, focal="b")[1]).all()


def test_readers_of_tasks_and_of_folds_leave_held_out_rows_out():
    gramians = [gramian for gramian, _ in _window()][:2]
    plain = [gramian.without_heldout() for gramian in gramians]
    for reader in (TaskProducts, FoldProducts):
        own, without = reader.of(gramians), reader.of(plain)
        assert own.tasks == without.tasks
        np.testing.assert_array_equal(own.values, without.values)
    np.testing.assert_array_equal(
        corrected_cosines(FoldProducts.of(gramians), focal="a").raw.values,
        corrected_cosines(FoldProducts.of(plain), focal="a").raw.values,
    )


def test_trials_on_held_out_rows_judge_the_steps_that_have_them():
    gramians = [gramian for gramian, _ in _window()]
    trials = heldout_trials(*heldout_products(gramians, focal="a"), focal="a")
    assert trials.step_of.tolist() == [0, 2]
    effects = gain(trials, lambda g, present, row: present / present.sum()).equal_rate.average.values
    weights, told = reweighted(trials), heldout_products(gramians, focal="a")[1][[0, 2]]
    assert float(effects) == pytest.approx(np.nansum(weights * told, axis=1).mean())
