"""The simulations of coverage in a quick mode: few replicates, wide bounds, the whole path."""

from __future__ import annotations

import coverage
import numpy as np
import pytest
import race
from _cycling import Cycling


def test_pooled_runs_cover_however_far_they_are_apart():
    rows = list(coverage.pooling(400))
    assert len(rows) == 8
    for row in rows:
        rates = [value for key, value in row.items() if key.startswith("at ")]
        fewest = 0.86 if str(row["case"]).startswith("2 runs") else 0.90
        assert min(rates) > fewest, row["case"]


def test_going_round_a_table_covers_new_molecules_by_both_remedies_only(monkeypatch):
    case = Cycling("small", 60, number=48, batch=12)
    monkeypatch.setattr(coverage, "_cycling_cases", lambda: [case])
    (row,) = coverage.new_molecules(40)
    assert row["product steps"] < 0.85
    assert row["product pass"] > 0.93
    assert 0.87 < row["product molecules"] <= 1.0


def test_no_auxiliary_is_told_from_zero_by_molecules_that_come_again(monkeypatch):
    case = Cycling("none real", 60, number=40, batch=10, width=30, cosines=np.eye(20))
    monkeypatch.setattr(coverage, "_cycling_cases", lambda: [case])
    (row,) = coverage.new_molecules(20)
    assert row["fdr steps"] > 0.3, "the mistake: forty molecules shown over and over"
    assert row["fdr pass"] <= 0.1
    assert row["fdr molecules"] <= 0.1


def test_signal_shares_cover_under_heavy_tails():
    rows = {(row["case"], row["steps"]): row for row in coverage.tails(20)}
    assert all(row["share"] >= 0.85 for row in rows.values())
    assert rows["t, 2.2 degrees", 100]["heavy"] > 0.9
    assert rows["gaussian", 100]["heavy"] == 0.0


def test_races_without_effect_are_seldom_won_and_clear_ones_found():
    rows = {(row["case"], row["sd"]): row for row in race.races(15)}
    assert rows["no effect", 0.3]["settled"] == 1.0
    assert rows["one of five helps by 3", 0.3]["found"] == 1.0
    assert max(row["false"] for row in rows.values()) <= 0.2
    assert all(row["pairs"] <= row["most"] for row in rows.values())


def test_the_confidence_sequence_excludes_nothing_while_pairs_are_few():
    split = {pairs: (own, sequence) for pairs, own, sequence in race.half_widths(race.Plan(("a",), 1.0))}
    assert np.isfinite([own for own, _ in split.values()]).all()
    assert split[12][0] < split[12][1]


def test_the_sequences_width_is_where_its_bayes_factor_meets_the_level():
    """The mixture's factor by numerical integration over standardised means, spread integrated out."""
    pairs, level = 20, 0.05
    width = race.sequence_width(pairs, level)
    t = width * np.sqrt(pairs)
    deltas = np.linspace(-12.0, 12.0, 6001)
    from scipy.stats import nct, norm
    from scipy.stats import t as student

    ratio = nct.pdf(t, pairs - 1, deltas * np.sqrt(pairs)) / student.pdf(t, pairs - 1)
    factor = np.trapezoid(np.nan_to_num(ratio) * norm.pdf(deltas), deltas)
    assert factor == pytest.approx(1.0 / level, rel=1e-2)
