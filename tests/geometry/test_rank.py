from __future__ import annotations

import math

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import effective_rank


def _by_definition(matrix: np.ndarray) -> float:
    """exp(-sum p ln p) from eigenvalues of the smaller Gram matrix, by a loop."""
    gram = matrix @ matrix.T if len(matrix) < matrix.shape[1] else matrix.T @ matrix
    sigma = [math.sqrt(max(value, 0.0)) for value in np.linalg.eigvalsh(gram)]
    shares = [s / sum(sigma) for s in sigma]
    return math.exp(-sum(p * math.log(p) for p in shares if p > 1e-9))


def test_it_follows_the_definition_raw_and_centred():
    matrix = np.random.default_rng(0).normal(size=(9, 5)) + 3.0
    centred = np.array([[matrix[i, j] - sum(matrix[:, j]) / 9 for j in range(5)] for i in range(9)])
    found = effective_rank(matrix)
    assert found.raw == pytest.approx(_by_definition(matrix), rel=1e-9)
    assert found.centred == pytest.approx(_by_definition(centred), rel=1e-9)
    assert found.centred > found.raw + 1
    assert (found.rows, found.width, found.reason) == (9, 5, "")


def test_singular_values_are_not_squared_and_logarithms_are_natural():
    shares = [0.75, 0.25]
    expected = math.exp(-sum(p * math.log(p) for p in shares))
    squared = math.exp(-sum(p * math.log(p) for p in [0.9, 0.1]))
    wrong_base = math.exp(-sum(p * math.log2(p) for p in shares))
    found = effective_rank(np.diag([3.0, 1.0])).raw
    assert found == pytest.approx(expected)
    assert min(abs(found - squared), abs(found - wrong_base)) > 0.1


@pytest.mark.parametrize("directions", [1, 2, 5])
def test_equal_singular_values_count_themselves_and_zeros_count_nothing(directions):
    matrix = np.zeros((7, 6))
    matrix[range(directions), range(directions)] = 2.0
    assert effective_rank(matrix).raw == pytest.approx(directions)


@pytest.mark.parametrize("scale", [1e-160, 1e-8, 1e8, 1e150])
def test_it_does_not_depend_on_scale_nor_on_rotations(scale):
    rng = np.random.default_rng(1)
    matrix, rotation = rng.normal(size=(6, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    expected = effective_rank(matrix)
    for other in (scale * matrix, matrix @ rotation, matrix[::-1]):
        found = effective_rank(other)
        assert found.raw == pytest.approx(expected.raw, rel=1e-9)
        assert found.centred == pytest.approx(expected.centred, rel=1e-9)


def test_it_is_at_most_the_smaller_side():
    rng = np.random.default_rng(2)
    assert effective_rank(rng.normal(size=(3, 50))).raw <= 3
    assert effective_rank(rng.normal(size=(50, 3))).raw <= 3


def test_a_zero_matrix_has_none():
    found = effective_rank(np.zeros((4, 3)))
    assert math.isnan(found.raw)
    assert math.isnan(found.centred)
    assert found.reason == "the representation is zero"


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_equal_rows_have_one_direction_and_none_around_their_mean(rows):
    """Means of such rows are rounded: what is left is dust, not directions."""
    found = effective_rank(np.tile(np.array([0.1, 1 / 3, -7.7, 1e3]), (rows, 1)))
    assert found.raw == pytest.approx(1.0, abs=1e-6)
    assert math.isnan(found.centred)
    assert found.reason == "all rows of the representation are equal"


def test_small_differences_between_rows_are_not_taken_for_dust():
    matrix = np.full((6, 3), 5.0) + 1e-9 * np.random.default_rng(4).normal(size=(6, 3))
    assert effective_rank(matrix).centred > 1.5


def test_no_rows_have_no_rank():
    found = effective_rank(np.zeros((0, 4)))
    assert math.isnan(found.raw)
    assert (found.rows, found.width) == (0, 4)


@pytest.mark.parametrize(
    ("wrong", "came"),
    [
        (np.zeros(3), r"\(3,\)"),
        (np.zeros((2, 3, 4)), r"\(2, 3, 4\)"),
        (np.array([[np.nan]]), "NaN"),
        (np.array([[np.inf]]), "infinite"),
    ],
)
def test_anything_but_a_finite_matrix_is_refused(wrong, came):
    with pytest.raises(InputError, match=rf"representation: expected a finite matrix .*{came}"):
        effective_rank(wrong)
