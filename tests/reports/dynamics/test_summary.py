from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from gradprobe.records.dynamics import METHODS
from gradprobe.reports.dynamics.claims import claims
from gradprobe.reports.dynamics.summary import summarise_dynamics
from gradprobe.reports.statistics.ranks import rank_correlation, spearman
from tests.reports.dynamics._runs import ACCURACIES, OPTIONS, run, sweep


def test_graphs_stand_by_rising_homophily_and_each_once():
    runs = [run("b", homophily=0.8), run("a", homophily=0.1), run("c", homophily=None), run("b", seed=1)]
    summary = summarise_dynamics(OPTIONS, runs)
    assert [graph.facts.name for graph in summary.graphs] == ["a", "b", "c"]
    assert [len(graph.runs) for graph in summary.graphs] == [1, 2, 1]
    assert summary.seeds == 2


def test_alignments_are_averaged_over_checkpoints_and_then_seeds():
    runs = [run(gcn_target=(0.2, 0.2, 0.2, 0.6)), run(seed=1, gcn_target=(0.4, None, 0.4, None))]
    (graph,) = summarise_dynamics(OPTIONS, runs).graphs
    found = graph.during("gcn", "kernel_target")
    assert (found.mean, found.low, found.high) == pytest.approx((0.35, 0.3, 0.4))
    assert graph.rise.mean == pytest.approx(0.3)
    assert graph.kernel_gain == pytest.approx(0.35 - 0.2)


def test_whether_alignments_move_together_is_told_within_a_run():
    together = run(gcn_graph=(0.1, 0.2, 0.3, 0.4), gcn_target=(0.5, 0.6, 0.7, 0.9))
    apart = run(gcn_graph=(0.1, 0.2, 0.3, 0.4), gcn_target=(0.9, 0.7, 0.6, 0.5))
    for own, expected in ((together, 1.0), (apart, -1.0)):
        assert summarise_dynamics(OPTIONS, [own]).graphs[0].together.mean == pytest.approx(expected)
    flat = run(gcn_graph=(0.1, 0.1, 0.1, 0.1))
    assert math.isnan(summarise_dynamics(OPTIONS, [flat]).graphs[0].together.mean)


def test_accuracies_are_paired_by_seed():
    runs = [run(), run(seed=1, accuracies={**ACCURACIES, "gcn": 0.7, "mlp": 0.65})]
    (graph,) = summarise_dynamics(OPTIONS, runs).graphs
    gain = graph.difference("gcn", "mlp")
    assert (gain.mean, gain.seeds) == (pytest.approx(0.125), 2)


def test_a_method_that_could_not_run_is_undefined_and_not_zero():
    (graph,) = summarise_dynamics(OPTIONS, [run(accuracies={**ACCURACIES, "rp_kernel": None})]).graphs
    assert math.isnan(graph.accuracy("rp_kernel").mean)
    assert math.isnan(graph.seconds("rp_kernel"))
    summary = summarise_dynamics(OPTIONS, [run(accuracies={**ACCURACIES, "rp_kernel": None})])
    assert summary.methods == ("gcn", "mlp", "rp")
    assert summarise_dynamics(OPTIONS, [run()]).methods == METHODS


def test_rank_correlations_are_spearmans_with_ties():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, 20).astype(float), rng.normal(size=20)
    assert spearman(first, second)[0] == pytest.approx(spearmanr(first, second).statistic)
    found = rank_correlation([*first, 3.0], [*second, np.nan])
    assert (found.value, found.graphs) == (pytest.approx(spearmanr(first, second).statistic), 20)
    assert found.low < found.value < found.high
    assert found == rank_correlation(first, second)  # the same graphs are drawn every time
    assert "fewer than 6" in rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]).reason
    assert "the same for all" in rank_correlation([1.0] * 7, list(range(7))).reason


def test_planted_effects_are_confirmed():
    outcomes = [claim.outcome for claim in claims(summarise_dynamics(OPTIONS, sweep()))]
    assert outcomes[:7] == ["confirmed"] * 7
    assert outcomes[8] == "confirmed"


def test_planted_effects_of_the_other_sign_are_not():
    found = claims(summarise_dynamics(OPTIONS, sweep(sign=-1.0)))
    outcomes = [claim.outcome for claim in found]
    assert outcomes[2] == "confirmed"  # homophily is what it is
    assert outcomes[3:5] == ["not confirmed"] * 2
    assert outcomes[5] == "confirmed"  # the better aligned kernel still wins


def test_no_effect_is_not_confirmed():
    rng = np.random.default_rng(1)
    runs = [
        run(
            f"g{place}",
            homophily=place / 10,
            graph_target=place / 10,
            accuracies={**ACCURACIES, "gcn": 0.6 + 0.1 * rng.normal(), "mlp": 0.6},
        )
        for place in range(10)
    ]
    assert claims(summarise_dynamics(OPTIONS, runs))[4].outcome == "not confirmed"


def test_one_graph_is_not_enough_to_test_anything():
    assert {claim.outcome for claim in claims(summarise_dynamics(OPTIONS, [run()]))} == {"not testable here"}
    nothing = claims(summarise_dynamics(OPTIONS, []))
    assert {claim.outcome for claim in nothing} == {"not testable here"}


@pytest.mark.parametrize(("loss", "outcome"), [(0.005, "confirmed"), (0.05, "not confirmed")])
def test_comparable_means_within_a_margin_on_homophilic_graphs(loss, outcome):
    runs = [
        run(f"g{place}", homophily=0.6 + place / 20, accuracies={**ACCURACIES, "rp": 0.8 - loss})
        for place in range(5)
    ]
    runs.append(run("hostile", homophily=0.1, accuracies={**ACCURACIES, "rp": 0.2}))
    claim = claims(summarise_dynamics(OPTIONS, runs))[6]
    assert claim.outcome == outcome
    assert "the others: −0.60" in claim.found
