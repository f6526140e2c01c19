import numpy as np
import pytest

from gradprobe.combiners import get
from gradprobe.combiners.presence import present_tasks
from gradprobe.errors import InputError

from ._jacobians import VARIANTS, assert_same_update, jacobian, update

variants = pytest.mark.parametrize("combiner", VARIANTS.values(), ids=VARIANTS)
FOCAL_AWARE = ("cosine_gating", "rcgrad", "gre", "gre_plus", "weighted")


@variants
def test_a_missing_task_is_as_if_it_had_never_been_there(combiner):
    rows = jacobian("opposed", 6, 9)
    present = np.array([True, False, True, True, False, True])
    gramian = rows @ rows.T
    gramian[~present], gramian[:, ~present] = np.nan, np.inf  # never looked at
    weights = combiner.weights(gramian, focal=2, present=present)
    assert weights.shape == (6,)
    assert (weights[~present] == 0.0).all()
    kept = rows[present]
    assert_same_update(weights[present] @ kept, update(combiner, kept, focal=1), kept)


@variants
def test_without_the_focal_task_the_focal_aware_methods_average_what_is_there(combiner):
    rows = jacobian("opposed", 4, 9)
    weights = combiner.weights(rows @ rows.T, focal=1, present=np.array([True, False, True, True]))
    if combiner.name in FOCAL_AWARE:
        np.testing.assert_allclose(weights, [1 / 3, 0, 1 / 3, 1 / 3])
    else:
        others = rows[[0, 2, 3]]
        assert_same_update(weights[[0, 2, 3]] @ others, update(combiner, others), others)


@variants
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_not_dropped(combiner, bad):
    whole_row, one_product = np.eye(4), np.eye(4)
    whole_row[1] = whole_row[:, 1] = bad
    one_product[1, 2] = one_product[2, 1] = bad
    for gramian in (whole_row, one_product):
        for present in (None, np.array([True, True, True, False])):
            with pytest.raises(
                InputError, match=r"expected finite values, got NaN or infinity in rows \[.*1"
            ):
                combiner.weights(gramian, present=present)


@pytest.mark.parametrize(
    ("gramian", "message"),
    [
        (np.ones(3), "expected a square matrix"),
        (np.ones((2, 3)), r"got shape \(2, 3\)"),
        (np.ones((0, 0)), "expected a square matrix"),
        (np.diag([1.0, -1e-9]), r"negative ones in rows \[1\]"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), "symmetric"),
        (np.diag([1e308, 1e308]), "finite trace"),
    ],
)
def test_a_matrix_that_no_gradients_have_is_refused(gramian, message):
    with pytest.raises(InputError, match=f"gramian: .*{message}"):
        get("average").weights(gramian)


@pytest.mark.parametrize("focal", [-1, 3])
def test_a_focal_row_outside_the_gramian_is_refused(focal):
    with pytest.raises(InputError, match=f"focal: expected a row between 0 and 2, got {focal}"):
        get("rcgrad").weights(np.eye(3), focal=focal)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (np.array([True, True]), "expected 3 booleans, one a task"),
        (np.array([1, 0, 1]), "expected 3 booleans"),
        (np.zeros(3, dtype=bool), "expected at least one present task"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(present, message):
    with pytest.raises(InputError, match=f"present: {message}"):
        get("average").weights(np.eye(3), present=present)


def test_sums_in_another_order_may_leave_the_gramian_slightly_asymmetric():
    gramian = np.array([[1.0, 0.5], [0.5 + 1e-12, 1.0]])
    accepted = present_tasks(gramian, focal=0, present=None).gramian
    np.testing.assert_array_equal(accepted, accepted.T)
    np.testing.assert_allclose(accepted, [[0.5, 0.25], [0.25, 0.5]])


def test_the_given_gramian_is_left_as_it_was():
    gramian = 7.0 * np.eye(3)
    get("cagrad").weights(gramian)
    np.testing.assert_array_equal(gramian, 7.0 * np.eye(3))
