import math

import pytest

from gradprobe.records.editing import EditKey
from gradprobe.reports.editing.summary import Drawdown, cosines, summarise_edits

from ._cells import GRAPH, OPTIONS, cell, method_run


def test_a_drawdown_is_what_was_there_before_the_first_edit_minus_what_is_left():
    summary = summarise_edits(GRAPH, OPTIONS, [cell(0)])
    plain, rewired = summary.of("gcn", "sequential")
    assert plain.test[0].course == pytest.approx((0.1, 0.2, 0.3))
    assert plain.test[0].mean == pytest.approx(0.2)
    assert plain.test[0].worst == plain.test[0].last == pytest.approx(0.3)
    assert rewired.test[0].course == pytest.approx((0.0, 0.1, 0.2))
    assert plain.train[0].course == pytest.approx((0.1, 0.1, 0.1))
    assert plain.loss_rise.mean == pytest.approx(0.1)


def test_the_worst_edit_need_not_be_the_last_and_a_gain_is_a_negative_drawdown():
    found = Drawdown((0.3, -0.1, math.nan))
    assert (found.mean, found.worst) == pytest.approx((0.1, 0.3))
    assert math.isnan(found.last)


def test_what_a_method_saves_is_paired_by_seed():
    summary = summarise_edits(GRAPH, OPTIONS, [cell(0, gain=0.1), cell(1, gain=0.2)])
    plain, rewired = summary.of("gcn", "sequential")
    assert plain.saved is None
    assert rewired.saved.test.mean == pytest.approx(0.15)
    assert rewired.saved.test.deviation == pytest.approx(0.1 / math.sqrt(2))
    assert rewired.saved.test.seeds == 2
    assert (rewired.saved.train.mean, rewired.saved.loss.mean) == pytest.approx((0.0, 0.0))


def test_success_counts_targets_and_not_edits():
    summary = summarise_edits(GRAPH, OPTIONS, [cell(0)])
    assert summary.of("gcn", "batch")[0].success.mean == 1.0
    assert summary.of("gcn", "batch")[0].retained.mean == 0.5


def test_opposed_anchors_are_counted_before_and_after():
    plain, rewired = summarise_edits(GRAPH, OPTIONS, [cell(0)]).of("gcn", "sequential")
    assert (plain.opposed_before.mean, plain.opposed_after.mean) == (0.5, 0.5)
    assert (rewired.opposed_before.mean, rewired.opposed_after.mean) == (0.5, 0.0)
    before, after = cosines(rewired.runs[0])
    assert before.tolist() == [-0.5, 0.25] * 3
    assert after.tolist() == [0.0, 0.25] * 3


def test_gradients_of_wrong_and_right_predictions_are_told_apart_and_undefined_ones_skipped():
    (found,) = summarise_edits(GRAPH, OPTIONS, [cell(0)]).inconsistency
    assert [side.mean for side in found.relative] == [2.0, 5.0]
    assert [side.mean for side in found.rmse] == pytest.approx([0.2, 0.5])
    assert [side.mean for side in found.opposed] == [1.0, 1.0]


def test_freshness_is_the_last_one_measured_and_test_accuracy_may_be_undefined():
    run = method_run("gd", "sequential", [None, None])
    bare = cell(0).model_copy(update={"runs": (run,)})
    options = OPTIONS.model_copy(update={"methods": ("gd",), "protocols": ("sequential",)})
    (found,) = summarise_edits(GRAPH, options, [bare]).methods
    assert found.freshness.mean == 1.0
    assert math.isnan(found.test[0].worst)
    assert found.saved is None


def test_failures_are_kept_by_the_name_of_their_cell():
    summary = summarise_edits(GRAPH, OPTIONS, [], {EditKey(model="mlp", seed=3): "no luck"})
    assert summary.failures == {"mlp-seed3": "no luck"}
    assert summary.methods == ()
