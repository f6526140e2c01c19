from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.race import outer_part


def test_the_outer_difference_is_that_of_all_rows_and_its_interval_holds_a_clear_gain():
    rng = np.random.default_rng(0)
    gains = 0.3 + 0.2 * rng.normal(size=60)
    found = outer_part(lambda rows: float(gains[rows].mean()), [f"m{k}" for k in range(60)], seed=1)
    assert found.difference == pytest.approx(gains.mean())
    assert found.low < gains.mean() < found.high
    assert found.confirmed


def test_rows_of_one_parent_are_drawn_together():
    rng = np.random.default_rng(1)
    per_parent = rng.normal(size=12)
    gains, parents = np.repeat(per_parent, 10), np.repeat(np.arange(12), 10)
    clustered = outer_part(lambda rows: float(gains[rows].mean()), parents.tolist(), seed=2)
    single = outer_part(lambda rows: float(per_parent[rows].mean()), list(range(12)), seed=2)
    ignoring = outer_part(lambda rows: float(gains[rows].mean()), list(range(120)), seed=2)
    assert (clustered.low, clustered.high) == (pytest.approx(single.low), pytest.approx(single.high))
    assert clustered.high - clustered.low > 2 * (ignoring.high - ignoring.low)


def test_intervals_over_parents_cover_the_gain_of_new_parents():
    rng = np.random.default_rng(2)
    held = 0
    for trial in range(100):
        gains = 0.1 + np.repeat(rng.normal(size=40), 3) + 0.5 * rng.normal(size=120)
        parents = np.repeat(np.arange(40), 3).tolist()
        found = outer_part(lambda rows, g=gains: float(g[rows].mean()), parents, seed=trial, resamples=300)
        held += found.low <= 0.1 <= found.high
    assert 0.87 <= held / 100 <= 0.99


def test_identical_predictions_differ_by_nothing_and_are_not_confirmed():
    found = outer_part(lambda rows: 0.0, list(range(20)), seed=0)
    assert (found.difference, found.low, found.high, found.confirmed) == (0.0, 0.0, 0.0, False)


def test_too_few_parents_are_refused():
    with pytest.raises(InputError, match="parents: expected at least 10 distinct parents"):
        outer_part(lambda rows: 0.0, [0, 1] * 30, seed=0)
