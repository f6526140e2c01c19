from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradprobe.errors import InputError
from gradprobe.geometry.oversmoothing import components, looped_degrees, row_spread, row_spreads

SCALES = [1e-300, 1e-160, 1e-8, 1.0, 1e8, 1e150, 1e300]
finite = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-6 else 0.0)
matrices = arrays(np.float64, (6, 3), elements=finite)
relaxed = settings(max_examples=60, deadline=None)


def _slowly(rows: np.ndarray, smooth: np.ndarray | None = None, groups: np.ndarray | None = None) -> float:
    """mu by loops: least-squares multiple of the smooth vector, group by group and column by column."""
    smooth = np.ones(len(rows)) if smooth is None else smooth
    groups = np.zeros(len(rows)) if groups is None else groups
    total = 0.0
    for group in set(groups.tolist()):
        chosen = [i for i in range(len(rows)) if groups[i] == group]
        for column in range(rows.shape[1]):
            along = sum(smooth[i] * rows[i, column] for i in chosen) / sum(smooth[i] ** 2 for i in chosen)
            total += sum((rows[i, column] - along * smooth[i]) ** 2 for i in chosen)
    return math.sqrt(total)


def _path(nodes: int) -> np.ndarray:
    edges = [(i, i + 1) for i in range(nodes - 1)]
    return np.array([*edges, *[(j, i) for i, j in edges]]).T


def test_mu_is_the_distance_to_the_mean_row():
    rows = np.random.default_rng(0).normal(size=(7, 4)) + 2.0
    found = row_spread(rows)
    assert found.mu == pytest.approx(_slowly(rows), rel=1e-12)
    assert found.norm == pytest.approx(np.linalg.norm(rows), rel=1e-12)
    assert found.relative == pytest.approx(found.mu / found.norm, rel=1e-12)
    # The same from norms alone, where nothing cancels.
    assert found.mu**2 == pytest.approx(found.norm**2 - 7 * np.sum(rows.mean(axis=0) ** 2), rel=1e-9)


def test_the_garbled_formula_of_the_source_is_not_what_is_computed():
    rows = np.random.default_rng(1).normal(size=(5, 2)) + 3.0
    garbled = np.linalg.norm(rows - 1.0 / rows.mean(axis=0))
    assert abs(row_spread(rows).mu - garbled) > 1.0


def test_a_small_mu_beside_a_large_mean_keeps_its_digits():
    """From ||X||^2 - n ||mean||^2 nothing would be left of it."""
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]]) * 2.0**-10 + 2.0**30
    shifted = rows - rows[0]
    assert row_spread(rows).mu == pytest.approx(row_spread(shifted).mu, rel=1e-12)
    assert row_spread(rows).mu > 0


@relaxed
@given(matrices)
def test_mu_is_zero_exactly_for_equal_rows_alone(rows):
    equal = np.tile(rows[:1] + 0.1, (6, 1))
    assert row_spread(equal).mu == 0.0
    moved = equal.copy()
    moved[2, 1] += 1e-3
    assert row_spread(moved).mu > 0.0


@relaxed
@given(matrices, matrices, st.booleans())
def test_mu_is_subadditive_and_the_relative_one_stays_in_its_range(a, b, weighted):
    degrees = np.array([2.0, 3, 3, 3, 3, 2]) if weighted else None
    total = row_spread(a + b, degrees=degrees)
    parts = row_spread(a, degrees=degrees).mu + row_spread(b, degrees=degrees).mu
    assert total.mu <= parts * (1 + 1e-12) + 1e-9
    assert math.isnan(total.relative) if total.norm == 0 else 0.0 <= total.relative <= 1.0


@relaxed
@given(matrices, arrays(np.float64, (1, 3), elements=finite))
def test_mu_does_not_move_when_every_row_does_but_the_relative_one_does(rows, shift):
    assert row_spread(rows + shift).mu == pytest.approx(row_spread(rows).mu, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_mu_scales_with_the_matrix_and_the_relative_one_does_not(scale):
    rows = np.random.default_rng(2).normal(size=(5, 3)) + 0.5
    plain, scaled = row_spread(rows), row_spread(scale * rows)
    assert scaled.mu == pytest.approx(scale * plain.mu, rel=1e-9)
    assert scaled.norm == pytest.approx(scale * plain.norm, rel=1e-9)
    assert scaled.relative == pytest.approx(plain.relative, rel=1e-9)


def test_vanishing_alone_is_not_oversmoothing():
    rows = np.random.default_rng(3).normal(size=(5, 3))
    assert row_spread(1e-12 * rows).mu < 1e-11
    assert row_spread(1e-12 * rows).relative == pytest.approx(row_spread(rows).relative)


def test_a_zero_matrix_has_no_relative_mu_and_says_why():
    found = row_spread(np.zeros((4, 2)))
    assert (found.mu, found.norm, found.zero_rows) == (0.0, 0.0, 1.0)
    assert math.isnan(found.relative)
    assert found.reason == "every row is zero"


def test_one_row_is_alike_with_itself():
    found = row_spread(np.array([[3.0, 4.0]]))
    assert (found.mu, found.norm, found.relative) == (0.0, 5.0, 0.0)


def test_the_share_of_zero_rows_is_kept_since_mu_then_measures_the_mask():
    rows = np.zeros((10, 2))
    rows[:2] = 1.0
    found = row_spread(rows)
    assert found.zero_rows == 0.8
    assert found.relative == pytest.approx(math.sqrt(0.8))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_matrix_that_overflowed_has_an_infinite_norm_and_nothing_else(broken):
    rows = np.ones((3, 2))
    rows[1, 0] = broken
    found = row_spread(rows)
    assert found.norm == math.inf
    assert math.isnan(found.mu)
    assert math.isnan(found.relative)
    assert found.reason == "an entry is NaN or infinite"


def test_what_a_gcn_smooths_to_has_no_weighted_mu_though_its_plain_mu_has_a_floor():
    edges = np.hstack([_path(6), np.array([[0, 3], [3, 0]])])
    degrees = looped_degrees(edges, 6)
    adjacency = np.eye(6)
    adjacency[edges[0], edges[1]] = 1.0
    smoothing = adjacency / np.sqrt(np.outer(degrees, degrees))
    rows = np.linalg.matrix_power(smoothing, 400) @ np.random.default_rng(4).normal(size=(6, 3))
    assert row_spread(rows, degrees=degrees).relative < 1e-12
    assert row_spread(rows).relative > 0.05


def test_degrees_weigh_the_rows():
    rows, degrees = np.random.default_rng(5).normal(size=(6, 3)), np.array([1.0, 2, 5, 3, 3, 9])
    found = row_spread(rows, degrees=degrees)
    assert found.mu == pytest.approx(_slowly(rows, np.sqrt(degrees)), rel=1e-12)
    assert row_spread(rows, degrees=np.full(6, 7.0)).mu == pytest.approx(row_spread(rows).mu, rel=1e-12)


def test_rows_alike_within_each_group_are_alike():
    rows = np.array([[1.0, 2.0]] * 3 + [[9.0, -5.0]] * 2)
    groups = np.array([0, 0, 0, 7, 7])
    assert row_spread(rows, groups=groups).mu == 0.0
    assert row_spread(rows).relative > 0.5


def test_groups_are_measured_one_by_one_and_together():
    rng = np.random.default_rng(6)
    rows, groups, degrees = rng.normal(size=(9, 2)), rng.integers(3, 6, size=9), rng.uniform(1, 5, size=9)
    apart = row_spreads(rows, groups, degrees=degrees)
    assert apart.groups.tolist() == sorted(set(groups.tolist()))
    for i, group in enumerate(apart.groups):
        alone = row_spread(rows[groups == group], degrees=degrees[groups == group])
        assert apart.mu[i] == pytest.approx(alone.mu, rel=1e-12)
        assert apart.norm[i] == pytest.approx(alone.norm, rel=1e-12)
        assert apart.relative.values[i] == pytest.approx(alone.relative, rel=1e-12)
    together = row_spread(rows, groups=groups, degrees=degrees)
    assert together.mu == pytest.approx(_slowly(rows, np.sqrt(degrees), groups), rel=1e-12)


def test_a_group_of_zeros_or_of_overflow_leaves_the_others_alone():
    rows = np.array([[0.0], [0.0], [1.0], [3.0], [np.inf], [2.0]])
    apart = row_spreads(rows, np.array([0, 0, 1, 1, 2, 2]))
    assert apart.mu[:2] == pytest.approx([0.0, math.sqrt(2.0)])
    assert apart.norm.tolist()[::2] == [0.0, math.inf]
    assert apart.relative.reasons == {(0,): "every row is zero", (2,): "an entry is NaN or infinite"}
    assert apart.zero_rows.tolist() == [1.0, 0.0, 0.0]


def test_groups_of_very_different_sizes_keep_their_digits():
    rows = np.array([[1e-200], [3e-200], [1e200], [3e200]])
    assert row_spreads(rows, np.array([0, 0, 1, 1])).relative.values == pytest.approx([0.1**0.5 * 2**0.5] * 2)


def test_relabelling_the_nodes_changes_nothing():
    rng = np.random.default_rng(7)
    rows, groups, degrees = rng.normal(size=(9, 2)), rng.integers(0, 3, size=9), rng.uniform(1, 5, size=9)
    order = rng.permutation(9)
    found = row_spread(rows, groups=groups, degrees=degrees)
    moved = row_spread(rows[order], groups=groups[order], degrees=degrees[order])
    assert moved.mu == pytest.approx(found.mu, rel=1e-12)


def test_components_and_degrees_are_those_of_the_graph():
    graph = nx.gnp_random_graph(30, 0.05, seed=1)
    edges = np.array([*graph.edges, *[(j, i) for i, j in graph.edges]]).T
    found = components(edges, 30)
    for part in nx.connected_components(graph):
        assert len(set(found[sorted(part)].tolist())) == 1
    assert len(set(found.tolist())) == nx.number_connected_components(graph)
    loops = np.hstack([edges, np.array([[0, 3], [0, 3]])])  # a loop that is there already counts once
    assert looped_degrees(loops, 30).tolist() == [1 + degree for _, degree in sorted(graph.degree)]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (np.zeros((0, 3)), {}, "rows: expected a matrix"),
        (np.zeros(3), {}, "rows: expected a matrix"),
        (np.ones((3, 2)), {"degrees": np.array([1.0, 0.0, 2.0])}, "degrees: expected one positive"),
        (np.ones((3, 2)), {"degrees": np.ones(2)}, "degrees: expected one positive"),
        (np.ones((3, 2)), {"groups": np.zeros(4, dtype=int)}, "groups: expected one number a row"),
    ],
)
def test_what_does_not_fit_is_refused(rows, options, message):
    with pytest.raises(InputError, match=message):
        row_spread(rows, **options)
