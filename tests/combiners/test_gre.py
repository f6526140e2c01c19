"""Rewiring against the projection found by trying every face, and the faults of public code."""

from itertools import combinations

import numpy as np
import pytest
import scipy.optimize

from gradprobe.combiners import get
from gradprobe.errors import InputError

from ._jacobians import CASES, jacobian, update

cases = pytest.mark.parametrize(("kind", "tasks", "parameters"), CASES)


def nearest_in_halfspaces(target, anchors):
    """The feasible candidate nearest to the target, among its projections off every set of anchors."""
    scale = np.linalg.norm(target) * np.linalg.norm(anchors, axis=1)
    candidates = []
    for size in range(len(anchors) + 1):
        for chosen in combinations(range(len(anchors)), size):
            rows = anchors[list(chosen)]
            candidate = target - np.linalg.pinv(rows) @ (rows @ target) if size else target
            if (anchors @ candidate >= -1e-10 * scale).all():
                candidates.append(candidate)
    return min(candidates, key=lambda candidate: np.linalg.norm(candidate - target))


def assert_rewired(found, target, anchors):
    """Feasible, moved by a non-negative combination of anchors, and only of those it is orthogonal to."""
    scale = np.linalg.norm(target) * np.linalg.norm(anchors, axis=1) + 1e-300
    dots = anchors @ found
    assert (dots >= -1e-9 * scale).all()
    tight = anchors[np.abs(dots) <= 1e-9 * scale]
    move = found - target
    if np.linalg.norm(move) > 1e-12 * np.linalg.norm(target):
        lengths = np.linalg.norm(tight, axis=1, keepdims=True)
        cone = (tight / np.where(lengths > 0, lengths, 1)).T
        left = scipy.optimize.lsq_linear(cone, move, bounds=(0, np.inf), tol=1e-14).cost
        assert left <= 1e-8 * (target @ target)


@cases
@pytest.mark.parametrize("seed", range(3))
def test_gre_plus_meets_the_conditions_of_its_quadratic_programme(kind, tasks, parameters, seed):
    rows = jacobian(kind, tasks, parameters, seed=seed)
    for focal in (0, tasks - 1):
        found = update(get("gre_plus"), rows, focal)
        assert_rewired(found, rows[focal], np.delete(rows, focal, axis=0))


@pytest.mark.parametrize("kind", ["independent", "spread", "agreeing", "opposed"])
@pytest.mark.parametrize(("tasks", "parameters"), [(2, 5), (5, 7), (6, 3), (8, 20)])
@pytest.mark.parametrize("seed", range(3))
def test_gre_plus_is_the_projection_found_by_trying_every_face(kind, tasks, parameters, seed):
    rows = jacobian(kind, tasks, parameters, seed=seed)
    expected = nearest_in_halfspaces(rows[0], rows[1:])
    atol = 1e-9 * np.linalg.norm(rows[0])
    np.testing.assert_allclose(update(get("gre_plus"), rows), expected, rtol=0, atol=atol)


@cases
def test_gre_is_its_closed_form_on_the_mean_of_the_anchors(kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    anchor = rows[1:].mean(axis=0)
    step = max(0.0, -(anchor @ rows[0]) / (anchor @ anchor))
    found = update(get("gre"), rows)
    np.testing.assert_allclose(found, rows[0] + step * anchor, rtol=0, atol=1e-12 * np.abs(rows).max())
    assert found @ anchor >= -1e-12 * np.linalg.norm(anchor) * np.linalg.norm(rows[0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_with_one_anchor_gre_plus_is_gre(sign):
    rows = np.array([[1.0, 2.0, -1.0], sign * np.array([0.5, 1.0, 1.0])])
    np.testing.assert_allclose(
        get("gre_plus").weights(rows @ rows.T), get("gre").weights(rows @ rows.T), rtol=1e-14, atol=1e-15
    )


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
@cases
def test_rewiring_what_is_rewired_changes_nothing(name, kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    once = update(get(name), rows)
    again = update(get(name), np.vstack([once, rows[1:]]))
    np.testing.assert_allclose(again, once, rtol=0, atol=1e-9 * np.linalg.norm(rows[0]))


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
def test_an_aligned_target_stays_as_it_is_rather_than_losing_its_part_along_the_anchor(name):
    rows = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.1]])
    np.testing.assert_array_equal(get(name).weights(rows @ rows.T), [1.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
def test_an_opposed_target_loses_the_opposition_rather_than_gaining_more_of_it(name):
    rows = np.array([[-1.0, 1.0], [1.0, 0.0]])  # released code adds the anchor where it is aligned
    np.testing.assert_allclose(update(get(name), rows), [0.0, 1.0], atol=1e-15)


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
@cases
def test_damping_divides_the_whole_step_and_nothing_else(name, kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    gramian = rows @ rows.T
    np.testing.assert_allclose(
        get(name, damping=3.0).weights(gramian), get(name).weights(gramian) / 4.0, rtol=1e-14
    )


def test_gre_protects_the_anchors_together_and_gre_plus_each_of_them():
    rows = np.array([[1.0, -1.0], [-0.5, 0.0], [0.0, 1.0]])
    anchors = rows[1:]
    together = update(get("gre"), rows)
    assert anchors.mean(axis=0) @ together == pytest.approx(0.0, abs=1e-15)
    assert (anchors @ together).min() < -0.1
    assert (anchors @ update(get("gre_plus"), rows)).min() >= -1e-15


@pytest.mark.parametrize(
    "anchors",
    [
        np.array([[-1.0, 0.0, 0.0]] * 3),
        np.array([[-1.0, 0.5, 0.0], [-2.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [-2.0, -0.5, 0.0]]),
        np.random.default_rng(0).normal(size=(18, 3)),
        np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 1e-12, 0.0]]),
    ],
    ids=["repeated", "dependent", "18 in 3 dimensions", "with a zero"],
)
def test_dependent_anchors_are_protected_too(anchors):
    target = np.array([1.0, 0.3, 0.2])
    found = update(get("gre_plus"), np.vstack([target, anchors]))
    assert_rewired(found, target, anchors)


def test_zero_anchors_get_no_weight():
    rows = np.array([[1.0, -1.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(get("gre_plus").weights(rows @ rows.T), [1.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(get("gre").weights(np.diag([2.0, 0.0, 0.0])), [1.0, 0.0, 0.0])


def test_anchors_that_cancel_leave_gre_nothing_to_hold_on_to():
    rows = np.array([[1.0, 0.0], [-0.1, 0.3], [0.1, -0.3]])
    np.testing.assert_array_equal(get("gre").weights(rows @ rows.T), [1.0, 0.0, 0.0])


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_short_and_long_anchors_protect_alike(name, scale):
    rows = np.array([[1.0, 0.5], scale * np.array([-1.0, 0.2])])
    expected = nearest_in_halfspaces(rows[0], rows[1:] / scale)
    np.testing.assert_allclose(update(get(name), rows), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["gre", "gre_plus"])
def test_a_negative_damping_is_refused(name):
    with pytest.raises(InputError, match="damping: expected a number of at least 0, got -1"):
        get(name, damping=-1.0)
