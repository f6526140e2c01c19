import numpy as np
import pytest
from scipy.stats import spearmanr

from gradprobe.reports.statistics.ranks import RESAMPLES, interval_of, redrawn, spearman


def test_a_value_that_counts_twice_is_a_value_that_stands_there_twice() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 4, 12).astype(float), rng.normal(size=12)
    weights = rng.integers(0, 3, size=(5, 12))
    found = spearman(first, second, weights.astype(float))
    for row, times in enumerate(weights):
        expected = spearmanr(np.repeat(first, times), np.repeat(second, times)).statistic
        assert found[row] == pytest.approx(expected)


def test_cells_are_drawn_whole_and_as_many_as_there_are() -> None:
    cells = [0, 0, 1, 2, 2, 2]
    weights = redrawn(cells, seed=0)
    assert weights.shape == (1 + RESAMPLES, 6)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    # A cell is drawn three times in three with probability 1/27.
    assert (weights[1:, 2] == 3).mean() == pytest.approx(1 / 27, abs=0.015)


def test_a_constant_has_no_rank_correlation() -> None:
    assert np.isnan(spearman(np.ones(5), np.arange(5.0))).all()


def test_the_interval_holds_95_percent_of_what_was_drawn() -> None:
    found = interval_of(np.concatenate([[0.5], np.linspace(0.0, 1.0, RESAMPLES)]))
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975), abs=1e-3)
    assert found.excludes_zero
