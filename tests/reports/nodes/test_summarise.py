import math

import pytest

from gradprobe.reports.nodes.document import nodes_document
from gradprobe.reports.nodes.headline import points
from gradprobe.reports.nodes.summarise import summarise_nodes

from ._records import run, snapshot, study

PAIR = [
    run("base", 0, 0.5),
    run("base", 1, 0.7),
    run("gragr", 0, 0.6),
    run("gragr", 1, 0.9),
    run("gragr", 2, 0.1),
]


def test_differences_are_of_the_seeds_that_both_have() -> None:
    base, gragr = summarise_nodes(study(*PAIR)).runs
    assert base.differences == {}
    found = gragr.differences["accuracy"]
    assert found.seeds == 2
    assert found.mean == pytest.approx(0.15)
    # t of one degree of freedom at 97.5 %, times the standard error of 0.1 and 0.2.
    assert found.high - found.mean == pytest.approx(12.7062 * 0.05, rel=1e-4)
    assert (gragr.test["accuracy"].mean, gragr.seeds) == (pytest.approx(1.6 / 3), 3)
    assert gragr.validation["accuracy"].mean == 1.0


def test_a_score_that_is_undefined_stays_out_of_means_and_pairs() -> None:
    _, gragr = summarise_nodes(study(*PAIR)).runs
    assert gragr.test["auroc"].seeds == 0
    assert gragr.differences["auroc"].seeds == 0


def test_the_cost_is_relative_to_the_base_of_the_same_seed() -> None:
    base, gragr = summarise_nodes(study(*PAIR)).runs
    assert gragr.slowdown.mean == pytest.approx(3.0)
    assert gragr.slowdown.seeds == 2
    assert not base.slowdown.seeds
    assert gragr.memory.mean == 1.0


def test_courses_skip_what_is_undefined_and_count_open_gates() -> None:
    _, gragr = summarise_nodes(study(*PAIR)).runs
    assert gragr.energy.steps == (2.0, 3.0, 4.0)
    assert gragr.energy.mean == pytest.approx((0.2, 0.3, 0.4))
    assert gragr.open.mean == (0.0, 0.0, 1.0, 1.0)
    assert gragr.openness.mean == (0.0, 0.0, 0.5, 0.5)
    assert gragr.open_share.mean == 0.5


@pytest.mark.parametrize(("best", "untouched"), [(2, 1), (3, 0)])
def test_runs_that_are_scored_before_they_reason_are_counted(best: int, untouched: int) -> None:
    found = summarise_nodes(study(run("base", 0, 0.5), run("gragr", 0, 0.5, best_epoch=best)))
    assert found.runs[1].untouched == untouched
    assert any("had not acted yet" in point for point in points(found)) == bool(untouched)


def test_the_graph_s_missing_homophily_is_undefined_and_its_parts_are_named() -> None:
    graph = summarise_nodes(study(*PAIR)).graph
    assert math.isnan(graph.homophily)
    assert graph.parts["test"] == 10
    assert graph.parts["validation (tunes weights)"] == 2


def test_the_starts_are_of_the_last_method_s_first_seed() -> None:
    starts = summarise_nodes(study(*PAIR)).starts
    assert starts is not None
    assert (starts.method, starts.seed, starts.chosen, starts.trial_epochs) == ("gragr", 0, 1, 2)
    assert starts.accuracies == ((0.1, 0.2), (0.3, 0.4))
    assert summarise_nodes(study(run("base", 0, 0.5, trials=()))).starts is None


def test_the_snapshot_is_of_the_last_method_that_moved_on() -> None:
    runs = [
        run("base", 0, 0.5, snapshot=snapshot()),
        run("gragr", 0, 0.5, snapshot=snapshot(before=1, after=4)),
        run("gragr++", 0, 0.5, snapshot=snapshot(before=30, after=4)),
    ]
    found = summarise_nodes(study(*runs)).snapshot
    assert found is not None
    assert found.method == "gragr"
    assert [moment.name for moment in found.moments] == ["epoch 1", "epoch 4, which is scored"]
    alone = summarise_nodes(study(runs[-1])).snapshot
    assert alone is not None
    assert alone.method == "gragr++"


def test_null_is_nan_in_the_snapshot_and_ids_are_kept() -> None:
    found = summarise_nodes(study(run("gragr", 0, 0.5, snapshot=snapshot()))).snapshot
    assert found is not None
    assert math.isnan(found.clustering[0])
    assert math.isnan(found.features[0, 1])
    assert found.nodes.tolist() == [7, 9]
    assert found.most_conflicted.tolist() == [0]


def test_a_study_of_which_nothing_has_finished_is_a_page_of_reasons() -> None:
    found = summarise_nodes(study(failures={"gcn-base-seed0": "no luck"}))
    page = nodes_document(found)
    assert page.headline.startswith("Nothing is compared")
    assert not page.figures
    assert any("1 run failed" in point for point in page.points)


def test_options_list_the_parts_of_each_method_and_the_numbers() -> None:
    options = dict(summarise_nodes(study(*PAIR)).options)
    assert options["parts of base"] == "none"
    assert options["parts of gragr++"] == "conflict, schedule"
    assert "smoothing 0.5" in options["numbers of the parts"]
    assert options["width"] == "8"


def test_variants_stand_behind_their_method() -> None:
    names = ["base", "gragr", "gragr++", "gragr-no-meta", "gragr++-no-schedule", "gragr-no-attention"]
    runs = [run(name, 0, 0.5) for name in names]
    found = summarise_nodes(study(*runs, methods={name: {} for name in names})).runs
    assert [entry.method for entry in found] == [
        "base", "gragr", "gragr-no-meta", "gragr-no-attention", "gragr++", "gragr++-no-schedule"
    ]  # fmt: skip
