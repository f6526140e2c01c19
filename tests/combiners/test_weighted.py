import numpy as np
import pytest

from gradprobe.combiners import get
from gradprobe.errors import InputError

GRAMIAN = np.zeros((4, 4))  # needs_gramian is False: zeros will do


def test_the_average_divides_by_the_tasks_present():
    np.testing.assert_array_equal(get("average").weights(GRAMIAN), np.full(4, 0.25))
    present = np.array([True, False, True, False])
    np.testing.assert_array_equal(get("average").weights(GRAMIAN, present=present), [0.5, 0.0, 0.5, 0.0])


def test_the_focal_task_gets_its_share_and_the_present_auxiliaries_the_rest_equally():
    weighted = get("weighted", focal_share=0.7)
    np.testing.assert_allclose(weighted.weights(GRAMIAN, focal=2), [0.1, 0.1, 0.7, 0.1])
    present = np.array([True, False, True, True])
    np.testing.assert_allclose(weighted.weights(GRAMIAN, focal=2, present=present), [0.15, 0.0, 0.7, 0.15])


def test_the_focal_task_alone_gets_everything_and_without_it_the_auxiliaries_are_averaged():
    weighted = get("weighted", focal_share=0.7)
    only = np.array([True, False, False, False])
    np.testing.assert_array_equal(weighted.weights(GRAMIAN, present=only), [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(weighted.weights(GRAMIAN, present=~only), [0.0, 1 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, [0.0, 1 / 3, 1 / 3, 1 / 3]), (1.0, [1.0, 0.0, 0.0, 0.0])]
)
def test_the_ends_of_the_range_are_the_auxiliaries_alone_and_single_task(share, expected):
    np.testing.assert_allclose(get("weighted", focal_share=share).weights(GRAMIAN), expected)


def test_fixed_shares_are_divided_by_their_sum_over_the_present_tasks():
    weighted = get("weighted", shares=[4, 2, 1, 1])
    np.testing.assert_allclose(weighted.weights(GRAMIAN), [0.5, 0.25, 0.125, 0.125])
    present = np.array([False, True, True, True])
    np.testing.assert_allclose(weighted.weights(GRAMIAN, present=present), [0.0, 0.5, 0.25, 0.25])


def test_tasks_of_share_zero_stay_at_zero_when_they_are_all_there_is():
    weighted = get("weighted", shares=[1, 0, 0, 0])
    present = np.array([False, True, True, True])
    np.testing.assert_array_equal(weighted.weights(GRAMIAN, present=present), np.zeros(4))


def test_shares_of_another_number_of_tasks_are_refused():
    with pytest.raises(InputError, match="shares: expected 4 numbers, one a task, got 2"):
        get("weighted", shares=[1, 2]).weights(GRAMIAN)
