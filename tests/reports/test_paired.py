import numpy as np
import pytest
from scipy import stats

from gradprobe.reports.statistics.paired import half_width, paired_difference, seeds_to_settle


def test_the_interval_is_students_t_over_shared_seeds():
    own, other = {0: 0.50, 1: 0.55, 2: 0.52, 9: 0.0}, {2: 0.60, 1: 0.58, 0: 0.61}
    differences = np.array([-0.11, -0.03, -0.08])
    found = paired_difference(own, other)
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (found.mean, found.low, found.high) == pytest.approx((differences.mean(), low, high))
    assert found.seeds == 3


def test_pairing_removes_what_seeds_have_in_common():
    other = {seed: float(seed) for seed in range(4)}
    own = {seed: value - 0.1 + 0.001 * (-1) ** seed for seed, value in other.items()}
    assert paired_difference(own, other).excludes_zero


def test_one_seed_has_a_difference_but_no_interval():
    found = paired_difference({0: 0.5}, {0: 0.6})
    assert found.mean == pytest.approx(-0.1)
    assert np.isnan(found.low)
    assert not found.excludes_zero
    assert found.reason == "one seed has no spread, so no interval"


@pytest.mark.parametrize(("own", "other"), [({}, {0: 1.0}), ({0: 1.0}, {}), ({0: float("nan")}, {0: 1.0})])
def test_without_a_shared_seed_there_is_no_difference(own, other):
    found = paired_difference(own, other)
    assert found.seeds == 0
    assert np.isnan(found.mean)


def test_the_seeds_that_settle_are_the_fewest_whose_interval_excludes_zero():
    found = paired_difference({0: 1.00, 1: 1.02, 2: 1.07}, {0: 1.0, 1: 1.0, 2: 1.0})
    needed = seeds_to_settle(found)
    assert half_width(found.deviation, needed) < found.mean <= half_width(found.deviation, needed - 1)


def test_equal_scores_can_never_be_told_apart():
    assert seeds_to_settle(paired_difference({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0})) is None
