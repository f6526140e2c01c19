import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from gradprobe import combiners
from gradprobe.geometry import FoldProducts, fresh_trials, gain, heldout_products, heldout_trials
from gradprobe.reports import report, show, summarise
from gradprobe.reports.compare.corrected import NO_FOLDS, NOTHING
from gradprobe.reports.compare.decision import NO_HELDOUT, decision_of, outcome_of
from gradprobe.reports.compare.figures.decision import affinities, focal_weight, gains
from gradprobe.reports.compare.leverage import ZERO_UPDATE
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.tables import decision as decision_table
from gradprobe.reports.compare.verdict_file import verdict_json
from gradprobe.trace import GramianRecord, Trace
from tests.reports import _streams as streams
from tests.reports import _studies as make
from tests.reports._shown import drawn

CONFLICT = [[1.0, -0.5, 0.4], [-0.5, 1.0, -0.3], [0.4, -0.3, 1.0]]


def runs(count=2, *, seed=0, **options):
    rng = np.random.default_rng(seed)
    return [streams.run(rng, streams.means(CONFLICT), **options) for _ in range(count)]


def screen(summary):
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(show(summary))
    return " ".join(console.file.getvalue().split())


@pytest.fixture(scope="module")
def summary():
    return summarise(streams.trace_of(runs(1)[0]))


def test_heldout_rows_judge_whole_minibatches_and_runs_are_averaged_by_their_steps():
    gramians = [runs(1, steps=20)[0], runs(1, steps=40, seed=1)[0]]
    found = outcome_of(gramians, "heldout", focal="focal", options={}).of("rcgrad").gain
    combiner = combiners.get("rcgrad")
    values, shares = [], []
    for run in gramians:
        products, effects = heldout_products(run, focal="focal")
        trials = heldout_trials(products, effects, focal="focal")
        own = gain(trials, lambda g, p, f: combiner.weights(g, focal=f, present=p))
        values.append(float(own.equal_length.gain_over_control))
        shares.append(own.focal_share)
    assert float(found.equal_length.gain_over_control) == pytest.approx(np.average(values, weights=[20, 40]))
    assert found.focal_share == pytest.approx(np.average(shares, weights=[20, 40]))
    assert found.trials == 60


def test_fresh_rows_need_no_heldout_ones():
    old = runs(1, heldout=False)[0]
    found = decision_of([streams.trace_of(old)], focal="focal", options={})
    assert (found.heldout, found.no_heldout) == (None, NO_HELDOUT)
    trials = fresh_trials(FoldProducts.of(old), focal="focal")
    wanted = gain(trials, lambda g, p, f: combiners.get("cosine_gating").weights(g, focal=f, present=p))
    own = found.fresh.of("cosine_gating").gain.equal_length.gain
    assert float(own) == pytest.approx(float(wanted.equal_length.gain))
    assert (float(own.low), float(own.high)) == pytest.approx(
        (float(wanted.equal_length.gain.low), float(wanted.equal_length.gain.high))
    )


def test_every_registered_combiner_is_tried_and_trained_ones_with_their_options():
    plain = outcome_of(runs(), "heldout", focal="focal", options={})
    assert {each.combiner for each in plain.predictions} == set(combiners.names()) - {"average"}
    assert "options" in plain.of("weighted").reason
    given = {"weighted": {"focal_share": 0.8}, "cagrad": {"c": 0.9}}
    found = outcome_of(runs(), "heldout", focal="focal", options=given)
    assert found.of("weighted").gain.focal_share == pytest.approx(0.8)
    assert float(found.of("weighted").gain.equal_length.gain_over_control) == pytest.approx(0.0)
    strong, weak = (each.of("cagrad").gain.leverage for each in (found, plain))
    assert float(strong) > float(weak)


def test_random_orders_come_from_a_fixed_seed():
    first, second = (outcome_of(runs(), "heldout", focal="focal", options={}) for _ in range(2))
    assert (
        first.of("pcgrad").gain.equal_length.gain.values == second.of("pcgrad").gain.equal_length.gain.values
    )


def test_long_runs_are_thinned_out_evenly_and_the_report_says_so(monkeypatch):
    monkeypatch.setattr("gradprobe.reports.compare.decision._MOST_STEPS", 30)
    found = outcome_of(runs(2, steps=50), "heldout", focal="focal", options={})
    assert (found.steps, found.measured) == (30, 100)
    page = summarise(streams.trace_of(runs(1, steps=50)[0]))
    assert "over 30 of 50 measured minibatch steps of 1 run" in decision_table.gains(page).note


@pytest.mark.parametrize(
    ("trace", "focal", "reasons"),
    [
        (streams.trace_of(runs(1, steps=12)[0]), "", (NO_FOCAL, NO_FOCAL)),
        (streams.trace_of([]), "focal", (NOTHING, NOTHING)),
        (make.trace_in_memory(), make.TASKS[0], (NO_HELDOUT, NO_FOLDS)),
    ],
)
def test_what_stands_in_the_way_is_said(trace, focal, reasons):
    found = decision_of([trace], focal=focal, options={})
    assert (found.no_heldout, found.no_fresh) == reasons
    assert found.outcomes == ()


def test_runs_without_averaging_tell_nothing(tmp_path):
    study = make.study(tmp_path / "s", encoders=("mlp",), combiners=("pcgrad", "rcgrad"), seeds=1)
    decision = summarise(study).encoders[0].decision
    assert decision.outcomes == ()
    assert "no minibatch of a run with averaging" in decision.no_fresh


def test_page_and_terminal_show_every_gain_and_affinity(summary, tmp_path):
    trace = streams.trace_of(runs(1)[0])
    page = report(trace, tmp_path / "r.html").read_text(encoding="utf-8")
    shown = screen(summary)
    for table in (decision_table.gains(summary), decision_table.affinities(summary)):
        assert table.rows
        for row in table.rows:
            assert " ".join(row) in shown
    for table in (decision_table.gains_at_equal_rate(summary), decision_table.focal_weights(summary)):
        assert table.folded
        assert all(f">{cell}<" in page for row in table.rows for cell in row)
    assert "What surgery would have done" in page
    named = {row[1] for row in decision_table.gains(summary).rows}
    assert {"pcgrad", "cagrad", "cosine_gating", "rcgrad", "gragr", "mgda"} <= named <= set(combiners.names())


def test_figures_draw_what_the_tables_say(summary):
    forest = drawn(gains(summary))
    assert [panel.get_title("left") for panel in forest.axes] == [
        "this run, held-out rows",
        "this run, fresh training rows",
    ]
    own = summary.encoders[0].decision.heldout
    effect = float(own.average.equal_length.effect)
    dots = [line.get_xdata()[0] for line in forest.axes[0].lines if line.get_marker() == "o"]
    wanted = [
        100.0 * float(each.gain.equal_length.gain_over_control) / effect
        for each in own.predictions
        if each.gain is not None
    ]
    assert dots == pytest.approx(wanted)
    curve = drawn(focal_weight(summary)).axes[0].lines[0]
    assert curve.get_ydata() == pytest.approx(100.0 * own.curve.equal_length.values / effect)
    (panel,) = drawn(affinities(summary)).axes
    assert panel.get_yticklabels()[0].get_text() == "focal"
    for plate in (gains, focal_weight, affinities):
        assert "this run" in plate(summary).words


def test_without_folds_figures_and_tables_are_left_out_and_the_section_says_why(tmp_path):
    trace = make.trace_in_memory()
    summary = summarise(trace)
    assert [plate(summary) for plate in (gains, focal_weight, affinities)] == [None] * 3
    assert not decision_table.gains(summary).rows
    page = report(trace, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No minibatch was measured with held-out rows of the focal task" in page


def test_where_averaging_does_nothing_gains_are_shown_in_their_own_unit():
    rng = np.random.default_rng(3)
    noise = streams.trace_of(streams.run(rng, np.zeros((3, streams.WIDTH)), steps=20))
    summary = summarise(noise)
    assert not any("%" in cell for row in decision_table.gains(summary).rows for cell in row)
    assert drawn(gains(summary)).axes[0].get_xlabel() == "first-order decrease of focal loss"


def test_an_update_without_length_is_undefined_and_said():
    opposed = streams.means([[1.0, -1.0], [-1.0, 1.0]])
    opposed[1] = -opposed[0]
    rng = np.random.default_rng(0)
    trace = streams.trace_of(streams.run(rng, opposed, noise=0.0, tasks=("focal", "b")), tasks=("focal", "b"))
    summary = summarise(trace)
    rows = {row[1]: row for row in decision_table.gains(summary).rows}
    assert rows["mgda"][4] == f"undefined: {ZERO_UPDATE}"
    assert rows["mgda"][2] == "open"
    assert gains(summary) is None or "mgda" not in gains(summary).words


def test_few_steps_give_gains_without_intervals():
    summary = summarise(streams.trace_of(runs(1, steps=4)[0]))
    rows = {row[1]: row for row in decision_table.gains(summary).rows}
    assert rows["rcgrad"][4].endswith("(few steps)")
    assert drawn(gains(summary))


def test_verdict_json_holds_predictions_and_ranked_auxiliaries(summary):
    (encoder,) = json.loads(verdict_json(summary))["encoders"]
    found = {entry["combiner"]: entry["prediction"] for entry in encoder["evidence"]}["rcgrad"]
    own = summary.encoders[0].decision.heldout.of("rcgrad").gain
    assert found["rows"] == "heldout"
    assert found["gain_over_control"]["value"] == pytest.approx(float(own.equal_length.gain_over_control))
    assert found["focal_share"] == pytest.approx(own.focal_share)
    assert [each["task"] for each in encoder["auxiliaries"]] == ["c", "b"]
    assert {each["call"] for each in encoder["auxiliaries"]} <= {
        "helps", "harms", "cannot be told apart from nothing",
    }  # fmt: skip
    assert not any(isinstance(v, float) and math.isnan(v) for v in found["gain"].values())


def test_a_study_pools_the_runs_that_average_only(tmp_path):
    study = make.study(
        tmp_path / "s", encoders=("mlp",), seeds=2, trace_options={"mlp": {"folds": True, "steps": 20}}
    )
    found = summarise(study).encoders[0].decision
    assert (found.heldout, found.fresh.runs, found.fresh.steps) == (None, 2, 40)
    gramians = []
    for seed in range(2):
        trace = Trace.load(study / "cells" / f"mlp-average-seed{seed}" / "trace")
        gramians.append([r.gramian for r in trace.gramians if r.split == "minibatch"])
    wanted = outcome_of(gramians, "fresh", focal=make.TASKS[0], options={})
    own, other = (each.of("rcgrad").gain.equal_length.gain for each in (found.fresh, wanted))
    assert float(own) == float(other)


def test_hostile_names_stay_text(tmp_path):
    tasks = ("<script>alert(1)</script>", "[red]$x$[/red]", "c")
    trace = streams.trace_of(runs_of(tasks), focal=tasks[0], tasks=tasks)
    page = report(trace, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page


def runs_of(tasks):
    return streams.run(np.random.default_rng(0), streams.means(CONFLICT), steps=12, tasks=tasks)


def test_in_the_optimisers_geometry_plain_gramians_set_the_weights_of_the_same_steps(tmp_path):
    (run,) = runs(1, steps=30)
    trace = streams.trace_of(run)
    assert decision_of([trace], focal="focal", options={}).preconditioned is None
    assert not decision_table.gains_preconditioned(summarise(trace)).rows
    (scaled,) = runs(1, seed=5, steps=30)
    for step, gramian in enumerate(scaled[1:], start=1):  # there is no geometry before the first update
        losses = np.ones(len(gramian.groups))
        trace.append(GramianRecord(step, "minibatch", "loop", gramian, losses, geometry="preconditioned"))
    found = decision_of([trace], focal="focal", options={}).preconditioned
    products, effects = heldout_products(scaled[1:], focal="focal")
    plain, _ = heldout_products(run[1:], focal="focal")
    trials = heldout_trials(products, effects, focal="focal", weighed=plain)
    combiner = combiners.get("rcgrad")
    wanted = gain(trials, lambda g, p, f: combiner.weights(g, focal=f, present=p)).equal_length.gain
    assert (found.rows, found.steps) == ("heldout", 29)
    assert float(found.of("rcgrad").gain.equal_length.gain) == pytest.approx(float(wanted))
    page = report(trace, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Predicted gains in the optimiser" in page


def test_a_layer_that_the_focal_task_does_not_reach_sets_weights_and_no_length():
    whole = runs(1)[0]
    rng = np.random.default_rng(8)

    def beside(gramian, length):
        """The step with a second layer that only the auxiliaries reach."""
        rows = length * rng.normal(size=(len(gramian.groups), 4))
        rows[[group.task == "focal" for group in gramian.groups]] = 0.0
        values = np.concatenate([gramian.values, (rows @ rows.T)[None]])
        return replace(gramian, layers=("l", "own"), values=values, parameters=(streams.WIDTH, 4))

    def curve(gramians, rows):
        return outcome_of([gramians], rows, focal="focal", options={}).curve.equal_length

    for rows in ("heldout", "fresh"):
        found, wanted = curve([beside(each, 3.0) for each in whole], rows), curve(whole, rows)
        assert found.values == pytest.approx(wanted.values)
        assert found.high == pytest.approx(wanted.high)
    found = outcome_of([[beside(each, 30.0) for each in whole]], "heldout", focal="focal", options={})
    assert found.of("mgda").gain.focal_share > 0.9  # auxiliaries this long get next to no weight


def test_the_legend_of_the_focal_weight_figure_has_the_colour_of_every_panels_line(summary):
    (encoder,) = summary.encoders
    two = replace(summary, encoders=tuple(replace(encoder, name=name) for name in ("mlp", "dmpnn")))
    figure = drawn(focal_weight(two))
    assert len({panel.get_title("left").partition(",")[0] for panel in figure.axes}) == 2
    (legend,) = figure.legends
    named = {
        text.get_text(): handle for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    lines = {line.get_color() for panel in figure.axes for line in panel.lines if line.get_label() in named}
    assert {handle.get_color() for handle in named.values()} == lines
    assert {panel.lines[0].get_color() for panel in figure.axes} == {
        named["reweighted averaging"].get_color()
    }


def test_claims_are_for_the_molecules_that_were_measured(summary):
    for note in (decision_table.gains(summary).note, decision_table.affinities(summary).note):
        assert "for the molecules that were measured" in note.replace("This holds ", "")
    shown = screen(summary)
    assert "for the molecules trained on" in shown
    assert "Auxiliaries: on the molecules measured, " in shown
