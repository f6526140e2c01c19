from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from gradprobe.geometry import conflict_energy, conflicts, gradient_overlap, overlap_by_chance
from tests._oracles import cosine

ZERO = "a zero gradient has no direction"
ONE = "one task has no pair"


def _jacobian(tasks: int = 5, width: int = 4) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(tasks, width))


def _pair_cosines(J: np.ndarray) -> list[float]:
    return [cosine(list(J[i]), list(J[j])) for i, j in combinations(range(len(J)), 2)]


def test_overlap_is_the_mean_size_of_all_pair_cosines():
    J = _jacobian()
    expected = sum(abs(c) for c in _pair_cosines(J)) / 10
    assert float(gradient_overlap(J @ J.T)) == pytest.approx(expected)


def test_overlap_does_not_cancel_cosines_of_opposite_sign():
    J = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert float(gradient_overlap(J @ J.T)) == 1.0


def test_overlap_skips_undefined_pairs_instead_of_counting_zero():
    J = _jacobian()
    with_zero = np.vstack([J, np.zeros(4)])
    assert float(gradient_overlap(with_zero @ with_zero.T)) == pytest.approx(float(gradient_overlap(J @ J.T)))


@pytest.mark.parametrize("width", [1, 2, 3, 10, 64])
def test_overlap_by_chance_is_what_random_directions_have(width):
    J = np.random.default_rng(width).normal(size=(20_000, 2, width))
    sizes = (
        np.abs((J[:, 0] * J[:, 1]).sum(1)) / np.linalg.norm(J[:, 0], axis=1) / np.linalg.norm(J[:, 1], axis=1)
    )
    standard_error = sizes.std(ddof=1) / math.sqrt(len(sizes))
    assert abs(sizes.mean() - overlap_by_chance(width)) <= 4 * standard_error + 1e-12


def test_overlap_by_chance_of_a_large_trunk_is_the_known_limit():
    assert overlap_by_chance(10**6) == pytest.approx(math.sqrt(2 / (math.pi * 10**6)), rel=1e-6)
    assert overlap_by_chance(1) == pytest.approx(1.0)
    assert math.isnan(overlap_by_chance(0))


def test_conflict_energy_sums_the_negative_parts_over_pairs():
    J = _jacobian()
    expected = sum(max(0.0, -c) for c in _pair_cosines(J))
    total, per_pair = conflict_energy(J @ J.T)
    assert expected > 0
    assert float(total) == pytest.approx(expected)
    assert float(per_pair) == pytest.approx(expected / 10)


@pytest.mark.parametrize("tasks", [2, 3, 6, 7])
def test_conflict_energy_reaches_a_quarter_of_the_squared_number_of_tasks(tasks):
    """Two opposed camps: floor(T^2 / 4) pairs, so the sum grows with T^2 and the mean does not."""
    J = np.array([[1.0 if i % 2 else -1.0] for i in range(tasks)])
    total, per_pair = conflict_energy(J @ J.T)
    assert float(total) == tasks**2 // 4
    assert float(per_pair) == pytest.approx((tasks**2 // 4) / (tasks * (tasks - 1) / 2))


def test_conflict_energy_skips_pairs_with_a_zero_gradient():
    J = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    total, per_pair = conflict_energy(J @ J.T)
    assert (float(total), float(per_pair)) == (1.0, 1.0)


def test_one_task_has_neither_overlap_nor_energy():
    G = np.array([[2.0]])
    for quantity in (gradient_overlap(G), *conflict_energy(G)):
        assert math.isnan(float(quantity))
        assert quantity.reason == ONE


def test_zero_gradients_only_have_no_overlap_and_no_energy_per_pair():
    total, per_pair = conflict_energy(np.zeros((3, 3)))
    for quantity in (gradient_overlap(np.zeros((3, 3))), per_pair):
        assert math.isnan(float(quantity))
        assert quantity.reason == ZERO
    assert float(total) == 0.0


@pytest.mark.parametrize("focal", range(5))
def test_conflicts_count_and_weigh_the_negative_focal_cosines(focal):
    J = _jacobian()
    mine = [cosine(list(J[focal]), list(J[k])) for k in range(5) if k != focal]
    found = conflicts(J @ J.T, focal)
    assert found.fraction == sum(c < 0 for c in mine) / 4
    assert found.mass == pytest.approx(sum(max(0.0, -c) for c in mine) / 4)
    assert (found.pairs, found.reason) == (4, "")


def test_conflicts_do_not_count_pairs_that_are_undefined():
    J = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    found = conflicts(J @ J.T, 0)
    assert (found.fraction, found.mass, found.pairs) == (0.5, 0.5, 2)


def test_orthogonal_gradients_are_not_in_conflict():
    found = conflicts(np.eye(3), 0)
    assert (found.fraction, found.mass, found.pairs) == (0.0, 0.0, 2)


@pytest.mark.parametrize(("G", "reason"), [(np.eye(1), ONE), (np.diag([0.0, 1.0]), ZERO)])
def test_conflicts_without_a_defined_pair_say_why(G, reason):
    found = conflicts(G, 0)
    assert math.isnan(found.fraction)
    assert math.isnan(found.mass)
    assert (found.pairs, found.reason) == (0, reason)
