from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import Gramian, Group, Quantity

FOLDS = (Group("a", "A"), Group("a", "B"), Group("b", "A"), Group("b", "B"), Group("c", "A"))
ROWS = (3, 2, 1, 4, 5)


def _jacobian() -> np.ndarray:
    """Gradients [layers, groups, parameters]."""
    return np.random.default_rng(0).normal(size=(2, 5, 6))


def _folded() -> Gramian:
    J = _jacobian()
    return Gramian(FOLDS, ("first", "second"), J @ J.transpose(0, 2, 1), ROWS, (6, 6))


def test_the_total_is_the_sum_over_layers():
    J = np.concatenate(list(_jacobian()), axis=1)
    np.testing.assert_allclose(_folded().total, J @ J.T)


def test_tasks_stand_in_the_order_of_their_groups():
    assert _folded().tasks == ("a", "b", "c")
    assert _folded().folded
    assert not _folded().by_task().folded


def test_merged_folds_are_the_gramian_of_the_row_weighted_mean_gradients():
    J = _jacobian()
    merged = np.stack(
        [
            (3 * J[:, 0] + 2 * J[:, 1]) / 5,
            (1 * J[:, 2] + 4 * J[:, 3]) / 5,
            J[:, 4],
        ],
        axis=1,
    )
    whole = _folded().by_task()
    np.testing.assert_allclose(whole.values, merged @ merged.transpose(0, 2, 1), rtol=1e-12)
    assert whole.groups == (Group("a"), Group("b"), Group("c"))
    assert whole.rows == (5, 5, 5)
    unweighted = np.stack([(J[:, 0] + J[:, 1]) / 2, (J[:, 2] + J[:, 3]) / 2, J[:, 4]], axis=1)
    assert not np.allclose(whole.values, unweighted @ unweighted.transpose(0, 2, 1), rtol=0.01)


def test_a_gramian_of_whole_tasks_is_its_own_merger():
    whole = _folded().by_task()
    assert whole.by_task() is whole


def test_select_takes_tasks_with_all_their_folds_in_the_order_asked():
    chosen = _folded().select(["c", "a"])
    assert chosen.groups == (FOLDS[4], FOLDS[0], FOLDS[1])
    assert chosen.rows == (5, 3, 2)
    J = _jacobian()[:, [4, 0, 1]]
    np.testing.assert_allclose(chosen.values, J @ J.transpose(0, 2, 1))


def test_select_names_the_tasks_that_are_not_there():
    with pytest.raises(InputError, match=r"tasks: expected some of \['a', 'b', 'c'\], got \['x'\]"):
        _folded().select(["a", "x"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((2, 4, 5))}, r"values: expected shape \(2, 5, 5\)"),
        ({"rows": (1, 2)}, r"rows, parameters: expected 5 and 2 counts, got 2 and 2"),
        ({"parameters": (1,)}, r"expected 5 and 2 counts, got 5 and 1"),
        ({"groups": (*FOLDS[:4], FOLDS[0])}, r"groups: expected distinct groups"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(change, message):
    whole = vars(_folded()) | change
    with pytest.raises(InputError, match=message):
        Gramian(**whole)


def test_a_quantity_with_one_entry_is_a_float_and_joins_its_distinct_reasons():
    assert float(Quantity(np.array([2.5]))) == 2.5
    several = Quantity(np.full(3, np.nan), {(0,): "x", (1,): "y", (2,): "x"})
    assert several.reason == "x; y"
    with pytest.raises(ValueError, match="size 1"):
        float(several)


def _judged(focal: str = "a") -> tuple[Gramian, np.ndarray]:
    """Folds and, in their middle, held-out rows of the focal task; and all gradients."""
    J = np.random.default_rng(1).normal(size=(2, 6, 6))
    groups = (*FOLDS[:2], Group(focal, "H"), *FOLDS[2:])
    return Gramian(groups, ("first", "second"), J @ J.transpose(0, 2, 1), (3, 2, 7, 1, 4, 5), (6, 6)), J


def test_held_out_rows_enter_no_task():
    gramian, J = _judged()
    own = np.delete(J, 2, axis=1)
    plain = Gramian(FOLDS, gramian.layers, own @ own.transpose(0, 2, 1), ROWS, gramian.parameters)
    assert gramian.without_heldout().groups == FOLDS
    # Products of fewer rows are rounded in another order: entries here are of order 1.
    np.testing.assert_allclose(gramian.without_heldout().values, plain.values, atol=1e-13)
    np.testing.assert_allclose(gramian.by_task().values, plain.by_task().values, atol=1e-13)
    assert gramian.by_task().rows == (5, 5, 5)
    np.testing.assert_allclose(gramian.merging.sum(axis=1), 1.0)
    assert not gramian.merging[:, 2].any()


def test_a_task_with_held_out_rows_only_is_missing_from_the_step():
    gramian, _ = _judged("x")
    assert gramian.tasks == ("a", "b", "c")
    assert gramian.select(["x", "c"]).groups == (Group("x", "H"), Group("c", "A"))


def test_whole_tasks_beside_held_out_rows_are_no_folds():
    gramian = Gramian((Group("a"), Group("b"), Group("a", "H")), ("l",), np.ones((1, 3, 3)), (0, 0, 4), (1,))
    assert not gramian.folded
    assert gramian.by_task().groups == (Group("a"), Group("b"))
    assert gramian.by_task().rows == (0, 0)
    np.testing.assert_array_equal(gramian.merging, [[1, 0, 0], [0, 1, 0]])
