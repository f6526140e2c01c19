import numpy as np
import pytest

from gradprobe.combiners import get
from gradprobe.combiners.gradnorm import gamma_slope
from gradprobe.errors import InputError
from gradprobe.reports.compare.candidates import candidates

ROWS = np.array([[3.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
LOSSES = np.array([2.0, 1.0, 0.5])


def steps(combiner, losses, rows=ROWS, **options):
    return [combiner.weights(rows @ rows.T, losses=np.array(each), **options) for each in losses]


def test_the_first_step_averages_and_the_second_favours_short_gradients():
    first, second = steps(get("gradnorm"), [LOSSES, LOSSES])
    np.testing.assert_allclose(first, np.full(3, 1 / 3))
    assert second[0] < 1 / 3 < second[1]
    assert second.sum() == pytest.approx(1.0)


def test_one_step_is_the_formula():
    combiner = get("gradnorm", alpha=0.7, rate=0.1)
    losses = np.array([1.0, 1.0, 0.25])
    found = steps(combiner, [LOSSES, losses, losses])[2]
    relative = np.linalg.norm(ROWS, axis=1) / np.linalg.norm(ROWS)
    gamma = np.ones(3)
    for ratios in (np.ones(3), losses / LOSSES):
        weighted = gamma * relative
        target = weighted.mean() * (ratios / ratios.mean()) ** 0.7
        gamma = gamma - 0.1 * relative * np.sign(weighted - target)
        gamma *= 3 / gamma.sum()
    np.testing.assert_allclose(found, gamma / 3)


def test_a_task_that_lags_behind_gains_weight():
    # With the exponent -alpha of some public code it would lose weight.
    rows = np.eye(3)
    combiner = get("gradnorm")
    losses = [[1.0, 1.0, 1.0], *[[0.9, 0.5, 0.5]] * 5]
    last = steps(combiner, losses, rows)[-1]
    assert last[0] > 1 / 3 > last[1]


def test_the_slope_is_that_of_the_sum_of_absolute_errors_with_constant_targets():
    gamma, norms, rates = np.array([0.5, 1.5, 1.0]), np.array([2.0, 0.3, 1.0]), np.array([0.7, 1.3, 1.0])
    targets = (gamma * norms).mean() * rates**1.5

    def loss(values):
        return np.abs(values * norms - targets).sum()

    for i, slope in enumerate(gamma_slope(gamma, norms, rates, 1.5)):
        step = np.zeros(3)
        step[i] = 1e-6
        assert slope == pytest.approx((loss(gamma + step) - loss(gamma - step)) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-8, 1e6])
def test_the_scale_of_the_gradients_does_not_matter(scale):
    losses = [LOSSES, 0.5 * LOSSES, [1.0, 0.1, 0.1], [1.0, 0.1, 0.1]]
    plain = steps(get("gradnorm"), losses)
    np.testing.assert_allclose(steps(get("gradnorm"), losses, scale * ROWS), plain)


def test_the_sum_of_the_weights_stays_and_none_is_negative_even_at_a_huge_rate():
    combiner = get("gradnorm", rate=50.0)
    for weights in steps(combiner, [LOSSES] * 6):
        assert (weights >= 0.0).all()
        assert weights.sum() == pytest.approx(1.0)
    assert sum(combiner.state_dict()["gamma"]) == pytest.approx(3.0)


def test_a_missing_task_keeps_its_weight_and_gets_none():
    combiner = get("gradnorm")
    steps(combiner, [LOSSES] * 3)
    before = combiner.state_dict()["gamma"]
    present = np.array([True, False, True])
    weights = steps(combiner, [[1.0, np.nan, 0.1]], present=present)[0]
    after = combiner.state_dict()["gamma"]
    assert weights[1] == 0.0
    assert after[1] == before[1]
    assert after != before
    assert sum(after) == pytest.approx(3.0)


@pytest.mark.parametrize("first", [0.0, np.nan, np.inf])
def test_a_task_without_a_usable_first_loss_waits_for_one(first):
    combiner = get("gradnorm")
    steps(combiner, [[2.0, first, 0.5]])
    assert np.isnan(combiner.state_dict()["first"][1])
    assert combiner.state_dict()["gamma"][1] == 1.0
    steps(combiner, [LOSSES])
    assert combiner.state_dict()["first"] == LOSSES.tolist()


def test_given_first_losses_are_used_from_the_start():
    combiner = get("gradnorm", initial=(4.0, 1.0, 0.5))
    steps(combiner, [LOSSES])
    assert combiner.state_dict()["first"] == [4.0, 1.0, 0.5]


def test_losses_of_zero_everywhere_change_nothing():
    combiner = get("gradnorm")
    steps(combiner, [LOSSES])
    gamma = combiner.state_dict()["gamma"]
    steps(combiner, [np.zeros(3)])
    assert combiner.state_dict()["gamma"] == gamma


def test_one_task_alone_has_all_the_weight():
    assert get("gradnorm").weights(np.eye(1), losses=np.ones(1)).tolist() == [1.0]


def test_a_state_goes_on_where_it_was_taken():
    losses = [LOSSES, 0.5 * LOSSES, 0.2 * LOSSES, 0.2 * LOSSES]
    whole, first, second = get("gradnorm"), get("gradnorm"), get("gradnorm")
    expected = steps(whole, losses)
    steps(first, losses[:2])
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(steps(second, losses[2:]), expected[2:])
    with pytest.raises(InputError, match="state: expected gamma and first"):
        second.load_state_dict({"weights": [1.0]})


def test_two_objects_share_no_state():
    first, second = get("gradnorm"), get("gradnorm")
    steps(first, [LOSSES] * 3)
    assert second.state_dict() == {}


@pytest.mark.parametrize("losses", [None, np.ones(2)])
def test_losses_are_needed(losses):
    with pytest.raises(InputError, match="losses: expected the losses of 3 tasks"):
        get("gradnorm").weights(np.eye(3), losses=losses)


def test_another_number_of_tasks_is_told():
    combiner = get("gradnorm")
    steps(combiner, [LOSSES])
    with pytest.raises(InputError, match="expected the 3 tasks of the steps before, got 2"):
        combiner.weights(np.eye(2), losses=np.ones(2))
    with pytest.raises(InputError, match="initial: expected 3 losses"):
        get("gradnorm", initial=(1.0,)).weights(np.eye(3), losses=np.ones(3))


def test_reports_do_not_try_it_on_gramians_alone():
    assert {name: combiner for name, combiner, _ in candidates({})}["gradnorm"] is None
    assert "history of the losses" in {name: reason for name, _, reason in candidates({})}["gradnorm"]
