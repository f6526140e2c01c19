import io
import math

import numpy as np
import pytest
from rich.console import Console

from gradprobe.geometry import FoldProducts, corrected_cosines, signal
from gradprobe.reports import report, show, summarise
from gradprobe.reports.compare.batch_sizes import batch_sizes_of, half_batch_cosines
from gradprobe.reports.compare.corrected import NO_FOCAL_FOLDS, NO_FOLDS, NOTHING, corrected_of
from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.figures.corrected import all_pairs, by_layer
from gradprobe.reports.compare.figures.corrected import corrected as figure
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.tables.corrected import corrected as table
from gradprobe.trace import GramianRecord, Trace
from tests.reports import _streams as streams
from tests.reports import _studies as make
from tests.reports._shown import drawn

FOCAL = make.TASKS[0]


def section_of(summary):
    return next(
        part for part in compare_document(summary).sections if part.title == "Cosines corrected for noise"
    )


def screen(summary):
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(show(summary))
    return " ".join(console.file.getvalue().split())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    options = {"mlp": {"folds": True, "noise": 0.5}}
    return make.study(tmp_path_factory.mktemp("study") / "s", seeds=2, trace_options=options)


def test_the_numbers_are_those_of_the_minibatches_of_all_averaging_runs(study):
    window = []
    for seed in range(2):
        trace = Trace.load(study / "cells" / f"mlp-average-seed{seed}" / "trace")
        window += [record.gramian for record in trace.gramians if record.split == "minibatch"]
    folds = FoldProducts.of(window)
    wanted, signals = corrected_cosines(folds, focal=FOCAL), signal(folds)
    found = summarise(study).encoders[0].corrected
    assert (found.steps, found.measured, found.runs, found.reason) == (24, 24, 2, "")
    assert [one.task for one in found.cosines] == list(make.TASKS[1:])
    for place, one in enumerate(found.cosines):
        assert one.raw == pytest.approx(wanted.raw.values[place])
        assert one.corrected == pytest.approx(wanted.cosines.values[place])
        assert (one.low, one.high) == pytest.approx((wanted.cosines.low[place], wanted.cosines.high[place]))
        assert (one.trusted, one.nonzero) == (wanted.trusted[place], wanted.nonzero[place])
        assert one.corrected > one.raw  # the folds' noise is independent, so it dilutes
    assert any(one.nonzero for one in found.cosines)
    assert [one.task for one in found.signals] == list(make.TASKS)
    assert [float(one.share) for one in found.signals] == pytest.approx(signals.share.values)
    assert [float(one.scale) for one in found.signals] == pytest.approx(signals.scale.values)
    assert [float(one.share.low) for one in found.signals] == pytest.approx(signals.share.low)


def test_page_and_terminal_show_the_cells_and_the_windows(study):
    summary = summarise(study)
    page = report(study).read_text(encoding="utf-8")
    shown = table(summary)
    assert [row[1] for row in shown.rows] == list(make.TASKS)
    for row in shown.rows:
        assert " ".join(row) in screen(summary)
        assert all(f">{cell}<" in page for cell in row)
    assert "mlp: 24 of 24 measured minibatch steps from 2 runs, one run after the other." in shown.note
    assert f"dmpnn: {NO_FOLDS}." in shown.note


def test_traces_without_folds_are_told_how_to_get_them(tmp_path):
    trace = make.trace_in_memory()
    summary = summarise(trace)
    assert not table(summary).rows
    assert figure(summary) is None
    assert section_of(summary).empty.startswith("Minibatches were measured whole")
    assert "pass rows= to measure" in report(trace, tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("trace", "focal", "reason"),
    [
        (make.trace_in_memory(folds=True), "", NO_FOCAL),
        (make.trace_in_memory(folds=True, steps=0), FOCAL, NOTHING),
        (make.trace_in_memory(folds=True), "other", NO_FOCAL_FOLDS),
    ],
)
def test_what_stands_in_the_way_is_said(trace, focal, reason):
    assert corrected_of([trace], (focal, *make.TASKS), focal=focal).reason == reason


def test_steps_measured_whole_are_left_out_and_counted():
    trace = make.trace_in_memory(folds=True)
    whole = make.gramian(make.TASKS, np.random.default_rng(1))
    trace.append(GramianRecord(500, "minibatch", "loop", whole, np.ones(4)))
    found = corrected_of([trace], make.TASKS, focal=FOCAL)
    assert (found.steps, found.measured) == (12, 13)


def test_undefined_cosines_keep_their_place_and_reason():
    trace = make.trace_in_memory(folds=True, zero=make.TASKS[1:2])
    found = corrected_of([trace], (*make.TASKS, "never"), focal=FOCAL)
    silent, *_, never = found.cosines
    assert (silent.task, never.task) == (make.TASKS[1], "never")
    assert silent.reason == "no signal: a squared norm across folds is not positive"
    assert never.reason == "no step of the window has it"
    assert math.isnan(silent.corrected)
    assert math.isnan(never.raw)
    assert not silent.trusted
    assert not silent.nonzero
    rows = {row[1]: row for row in table(summarise(trace)).rows}
    assert rows[make.TASKS[1]][3:7] == ("undefined", "no signal", "no", "no")


def test_few_steps_give_a_cosine_without_an_interval():
    summary = summarise(make.trace_in_memory(folds=True, steps=3, noise=0.01))
    assert {row[4] for row in table(summary).rows[1:]} == {"few steps"}
    assert "takes at least 5 blocks" in table(summary).note
    assert drawn(figure(summary))


def test_unbounded_intervals_end_in_arrows_within_the_axis():
    generator = np.random.default_rng(3)
    trace = Trace(header=make.header())
    for step in range(10):
        noise = make.gramian(make.TASKS, generator, folds=True, shared=0.15)
        trace.append(GramianRecord(step, "minibatch", "loop", noise, np.ones(8)))
    summary = summarise(trace)
    assert any(math.isinf(one.high) for one in summary.encoders[0].corrected.cosines)
    assert "unbounded" in {row[4] for row in table(summary).rows}
    (panel,) = drawn(figure(summary)).axes
    assert any(line.get_marker() in ("<", ">") for line in panel.lines)
    assert all(abs(x) <= 1.1 for line in panel.lines for x in line.get_xdata() if not math.isnan(x))


def test_hundreds_of_auxiliaries_keep_figure_and_description_small():
    tasks = tuple(f"task {i}" for i in range(120))
    summary = summarise(make.trace_in_memory(tasks=tasks, folds=True, steps=6))
    (panel,) = drawn(figure(summary)).axes
    assert len(panel.get_yticks()) == 30
    assert len(figure(summary).words) < 300
    assert table(summary).folded


def test_hostile_names_stay_text(tmp_path):
    tasks = ("<script>alert(1)</script>", "[red]$x$[/red]")
    trace = make.trace_in_memory(tasks=tasks, folds=True)
    page = report(trace, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "[red]$x$[/red]" in screen(summarise(trace))


def test_pairs_and_layers_are_raw_and_corrected_side_by_side():
    trace = make.trace_in_memory(folds=True, noise=0.5, steps=30)
    window = [record.gramian for record in trace.gramians if record.split == "minibatch"]
    detail = corrected_of([trace], make.TASKS, focal=FOCAL).detail
    every = corrected_cosines(FoldProducts.of(window))
    upper = np.triu_indices(len(make.TASKS), k=1)
    assert detail.pairs[upper] == pytest.approx(every.cosines.values)
    assert detail.pairs_raw[upper] == pytest.approx(every.raw.values)
    np.testing.assert_array_equal(detail.pairs, detail.pairs.T)
    assert (detail.pairs_nonzero[upper] == every.nonzero).all()
    assert detail.layers == make.LAYERS
    for row, layer in enumerate(make.LAYERS):
        own = corrected_cosines(FoldProducts.of(window, layer=layer), focal=FOCAL)
        assert detail.by_layer[row] == pytest.approx(own.cosines.values)
        assert detail.layers_raw[row] == pytest.approx(own.raw.values)
    # The trunk's product is the sum of its layers', so the report's layers are those of the trunk.
    summary = summarise(trace)
    for heat in (by_layer(summary), all_pairs(summary)):
        panels = [axes.get_title("left") for axes in drawn(heat).axes[:-1]]
        assert panels == ["this run, raw", "this run, corrected"]
        assert "distinguishable from zero" in heat.words


def test_with_very_many_tasks_pairs_and_layers_are_left_out():
    tasks = tuple(f"task {i}" for i in range(31))
    summary = summarise(make.trace_in_memory(tasks=tasks, folds=True, steps=6))
    assert summary.encoders[0].corrected.detail is None
    assert all_pairs(summary) is None
    assert any("too many pairs" in part.empty for part in compare_document(summary).sections)


def test_raw_cosines_at_other_batch_sizes_are_those_of_larger_batches():
    means = streams.means([[1.0, 0.6, -0.3], [0.6, 1.0, 0.0], [-0.3, 0.0, 1.0]])
    folds = FoldProducts.of(streams.run(np.random.default_rng(0), means, steps=400, noise=1.5))
    sizes = batch_sizes_of(folds, streams.TASKS, focal="focal")
    one, eight = (int(np.flatnonzero(sizes.factors == factor)[0]) for factor in (1.0, 8.0))
    half = int(np.flatnonzero(sizes.factors == 0.5)[0])
    assert sizes.predicted[one] == pytest.approx(sizes.whole)  # by construction
    assert sizes.predicted[half] == pytest.approx(sizes.half)
    # Batches eight times as large, whose noise is shorter by the root of eight, were never shown to it.
    large = streams.run(np.random.default_rng(1), means, steps=400, noise=1.5 / np.sqrt(8.0))
    measured = corrected_cosines(FoldProducts.of(large), focal="focal").raw.values
    assert sizes.predicted[eight] == pytest.approx(measured, abs=0.05)
    assert (sizes.low[eight] <= measured).all()
    assert (measured <= sizes.high[eight]).all()
    assert abs(sizes.whole[0] - measured[0]) > 0.2
    assert sizes.predicted[-1] == pytest.approx(sizes.corrected, abs=0.02)


def test_half_batches_by_a_loop_over_steps_and_folds():
    window = streams.run(np.random.default_rng(0), streams.means(np.eye(3).tolist()), steps=5)
    sums = np.zeros((3, 3))
    for gramian in window:
        for fold in "AB":
            place = [i for i, group in enumerate(gramian.groups) if group.fold == fold]
            sums += gramian.total[np.ix_(place, place)]
    wanted = [sums[0, k] / np.sqrt(sums[0, 0] * sums[k, k]) for k in (1, 2)]
    assert half_batch_cosines(FoldProducts.of(window), focal="focal") == pytest.approx(wanted)


def test_the_note_suggests_a_batch_size(study):
    assert "mlp: with about" in table(summarise(study)).note
