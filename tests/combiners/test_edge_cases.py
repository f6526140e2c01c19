"""A zero gradient taken literally, one task, and degenerate sets of gradients."""

import numpy as np
import pytest

from gradprobe.combiners import get

from ._jacobians import VARIANTS, jacobian, update

variants = pytest.mark.parametrize("combiner", VARIANTS.values(), ids=VARIANTS)
G = np.array([3.0, 4.0])


@variants
@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((3, 4)),
        np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]]),
        np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0]]),
        np.tile(G, (4, 1)),
        np.array([G, -G]),
        np.array([G, -G, G, -G]),
        np.array([G, 2 * G, -3 * G]),
        np.array([G, G + 1e-9, G - 1e-9]),
        np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]),
        jacobian("independent", 18, 3),
        jacobian("spread", 40, 200),
        jacobian("opposed", 60, 5),
        jacobian("independent", 100, 20),
        np.diag(10.0 ** -np.arange(12.0)),
    ],
    ids=lambda rows: f"{rows.shape[0]}x{rows.shape[1]}",
)
def test_degenerate_gradients_give_finite_weights_and_a_bounded_update(combiner, rows):
    gramian = rows @ rows.T
    weights = combiner.weights(gramian)
    assert np.isfinite(weights).all()
    longest = np.linalg.norm(rows, axis=1).max()
    assert np.linalg.norm(weights @ rows) <= 3 * len(rows) * longest * (1 + 1e-9)
    np.testing.assert_allclose(
        combiner.weights(gramian * 2.0**-60), weights, err_msg="the decision depends on the scale"
    )


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("average", 1.0),
        ("weighted-focal", 1.0),
        ("pcgrad-fixed", 1.0),
        ("pcgrad-fixed-sum", 1.0),
        ("gating-mean", 1.0),
        ("gating-sum", 1.0),
        ("gating-weighted", 1.0),
        ("rcgrad", 1.0),
        ("gragr", 1.0),
        ("gragr-smoothing-first", 1.0),
        ("gre", 1.0),
        ("gre-damped", 1 / 1.5),
        ("gre-plus", 1.0),
        ("gre-plus-damped", 1 / 1.5),
        ("mgda", 1.0),
        ("cagrad", 1.4 / 1.16),
        ("cagrad-none", 1.9),
        ("cagrad-1+c", 1.0),
        ("cagrad-1+lambda", 1.0),
    ],
)
def test_one_task_alone_gets_its_gradient_and_cagrad_its_documented_multiple(name, factor):
    np.testing.assert_allclose(VARIANTS[name].weights(np.array([[25.0]])), [factor], rtol=1e-14)


@variants
def test_identical_gradients_give_a_multiple_of_that_gradient(combiner):
    direction = update(combiner, np.tile(G, (4, 1)))
    np.testing.assert_allclose(direction / np.linalg.norm(direction), G / 5)


ZERO_AUX = np.array([[2.0, 0.0], [0.0, 0.0], [-1.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("average", [1 / 3, 0.5 - 1 / 6]),  # diluted by the zero row
        ("pcgrad-fixed", [(1.0 + 0.0) / 3, (1.0 + 1.0) / 3]),  # (2,0)->(1,1), (-1,1)->(0,1)
        ("gating-mean", [1.0, 0.0]),  # the zero row is kept and dilutes: (2,0)/2
        ("gating-weighted", [2.0, 0.0]),
        ("rcgrad", [2 / 3, 1 / 3]),
        ("mgda", [0.0, 0.0]),
    ],
)
def test_a_zero_auxiliary_taken_literally(name, expected):
    np.testing.assert_allclose(update(VARIANTS[name], ZERO_AUX), expected, atol=1e-14)


ZERO_FOCAL = np.array([[0.0, 0.0], [2.0, 0.0], [-1.0, 1.0]])


@pytest.mark.parametrize("name", ["gating-mean", "rcgrad", "average"])
def test_a_zero_focal_gradient_gates_and_projects_nothing(name):
    np.testing.assert_allclose(VARIANTS[name].weights(ZERO_FOCAL @ ZERO_FOCAL.T), np.full(3, 1 / 3))


def test_a_zero_focal_gradient_leaves_weighted_gating_the_plain_sum():
    np.testing.assert_array_equal(VARIANTS["gating-weighted"].weights(ZERO_FOCAL @ ZERO_FOCAL.T), np.ones(3))


def test_a_zero_focal_gradient_leaves_pcgrad_the_auxiliary_pairs():
    np.testing.assert_allclose(update(VARIANTS["pcgrad-fixed"], ZERO_FOCAL), [1 / 3, 2 / 3])


def test_a_zero_gradient_stops_mgda_and_a_missing_task_does_not():
    rows = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    gramian = rows @ rows.T
    np.testing.assert_array_equal(get("mgda").weights(gramian), [1.0, 0.0, 0.0])
    weights = get("mgda").weights(gramian, present=np.array([False, True, True]))
    np.testing.assert_allclose(weights, [0.0, 0.1, 0.9])


@pytest.mark.parametrize(
    ("name", "multiple"),
    [("average", 0), ("mgda", 0), ("pcgrad-fixed", 0), ("gragr", 0), ("rcgrad", 0.5), ("gating-mean", 1)],
)
def test_antiparallel_gradients_cancel_unless_the_focal_one_is_privileged(name, multiple):
    np.testing.assert_allclose(update(VARIANTS[name], np.array([G, -G])), multiple * G, atol=1e-12)


def test_antiparallel_gradients_leave_cagrad_without_a_mean_to_follow():
    np.testing.assert_allclose(update(VARIANTS["cagrad"], np.array([G, -G])), [0.0, 0.0], atol=1e-15)
