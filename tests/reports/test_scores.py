"""Scores beside constants, their reasons, and runs that were cut short."""

import numpy as np
import pytest

from gradprobe.records.compare import CellKey, CellMetrics, MetricRow
from gradprobe.records.folder import StudyFolder
from gradprobe.records.record import read_record, write_record
from gradprobe.reports import report, summarise
from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.source import Cell
from gradprobe.reports.compare.task_scores import cut_short, task_scores
from tests.reports import _studies as make
from tests.reports.test_report import read

MANIFEST = make.manifest(encoders=("mlp",), combiners=("average",), seeds=2)
FOCAL = MANIFEST.focal


def cell(seed, *, best=0, **scores):
    row = MetricRow(task=FOCAL, split="test", n=9 + seed, **scores)
    metrics = CellMetrics(
        key=CellKey(encoder="mlp", combiner="average", seed=seed),
        trunk_parameters=1,
        epochs=3,
        best_epoch=best,
        steps=1,
        seconds=1.0,
        criterion="rae",
        metrics=(row,),
        history=(),
    )
    return Cell(metrics.key, "finished", metrics=metrics)


def test_the_constant_to_beat_is_the_better_one_over_all_seeds():
    cells = [
        cell(0, rae=0.9, mean_rae=1.1, median_rae=0.8),
        cell(1, rae=0.7, mean_rae=0.9, median_rae=0.7),
    ]
    (found,) = task_scores(cells, MANIFEST)
    # Over the seeds the median scores 0.75, the mean 1.0; differences 0.1 and 0.0.
    assert found.constant == "the train median"
    assert found.beyond.mean == pytest.approx(0.05)
    assert found.beyond.seeds == 2
    assert found.no_better
    assert (found.values["n"].low, found.values["n"].high) == (9, 10)


@pytest.mark.parametrize(("rae", "expected"), [(0.7499, False), (0.75, True), (0.76, True)])
def test_no_better_than_a_constant_means_a_mean_that_is_not_below_it(rae, expected):
    (found,) = task_scores([cell(0, rae=rae, mean_rae=1.0, median_rae=0.75)], MANIFEST)
    assert found.no_better is expected


@pytest.mark.parametrize(("auroc", "expected"), [(0.51, False), (0.5, True), (0.4, True)])
def test_a_ranking_must_beat_one_half(auroc, expected):
    manifest = make.manifest(encoders=("mlp",), combiners=("average",), kind="classification")
    (found,) = task_scores([cell(0, auroc=auroc)], manifest)
    assert found.no_better is expected


def test_older_runs_have_no_constants_and_no_verdict_on_them():
    (found,) = task_scores([cell(0, rae=2.0)], MANIFEST)
    assert found.beyond is None
    assert not found.no_better


def test_runs_that_were_best_at_their_last_epoch_are_counted():
    assert cut_short([cell(0, best=2), cell(1, best=1)]) == (1, 2)
    assert cut_short([]) == (0, 0)


@pytest.fixture
def folder(tmp_path):
    return make.study(tmp_path / "s", encoders=("mlp",), combiners=("average", "pcgrad"), seeds=2)


def rewrite(path, **update):
    """Change the scores of the focal task in every cell, and what the cell says of its epochs."""
    folder = StudyFolder.at(path)
    epochs = {name: update.pop(name) for name in ("best_epoch",) if name in update}
    for place in sorted(folder.cells.iterdir()):
        metrics = read_record(place / "metrics.json", CellMetrics)
        rows = tuple(
            row.model_copy(update=update) if row.task == make.TASKS[0] else row for row in metrics.metrics
        )
        write_record(place / "metrics.json", metrics.model_copy(update={"metrics": rows, **epochs}))
        make.seal(folder, metrics.key)


def test_the_report_shows_all_scores_and_names_what_is_no_better_than_a_constant(folder):
    rewrite(folder, rae=1.23, mae=4.5, rmse=6.75, spearman=0.125, mean_rae=1.03125, median_rae=0.72)
    text = read(report(folder)).text
    for shown in ("4.50", "6.75", "0.125", "1.03", "0.720", "RMSE", "Spearman", "test labels"):
        assert shown in text
    assert (
        "No better than a constant: average (RAE +0.510 (+0.510 to +0.510) against the train median)" in text
    )
    assert "Scores of the auxiliaries, test fold" in text
    assert "Under-trained: 4 of 4 finished runs were best at their last epoch" in text


def test_a_good_run_is_called_neither(folder):
    rewrite(folder, rae=0.4, mean_rae=1.0, median_rae=0.9, best_epoch=1)
    text = read(report(folder)).text
    assert "No better than a constant" not in text
    assert "Under-trained" not in text


def test_an_undefined_auroc_has_its_reason_not_unfinished_seeds(tmp_path):
    path = make.study(
        tmp_path / "s",
        encoders=("mlp",),
        combiners=("average", "pcgrad"),
        seeds=2,
        kind="classification",
    )
    rewrite(path, auroc=None, undefined="no positives")
    text = read(report(path)).text
    assert "the test fold has no positives" in text
    assert "No cell has finished" not in text
    assert "no seed has finished" not in text
    sections = {section.title: section for section in compare_document(summarise(path)).sections}
    empty = sections["Paired differences from averaging"].empty
    assert empty == "AUROC is undefined on every finished seed: the test fold has no positives."


def test_one_task_has_one_colour_in_the_panels_of_all_encoders(tmp_path):
    path = make.study(
        tmp_path / "s",
        seeds=2,
        trace_options={name: {"folds": True} for name in ("mlp", "dmpnn")},
    )
    sections = compare_document(summarise(path)).sections
    figure = next(s.figure for s in sections if s.figure is not None and s.figure.name == "batch_size")
    looks = [
        {series.name: series.colour for series in panel.series if series.name} for panel in figure.plot.panels
    ]
    assert len(looks) == 2
    assert looks[0] == looks[1]
    assert len(set(looks[0].values())) == len(looks[0]) > 1


def test_the_same_tasks_are_drawn_for_every_encoder_where_there_are_more_than_colours():
    from gradprobe.reports.compare.figures.corrected import _most_different

    class Sizes:
        def __init__(self, whole):
            self.whole = np.array(whole)

    one, other = Sizes([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0, np.nan]), Sizes([0.0] * 7 + [-0.9])
    assert _most_different([one, other]) == [1, 2, 3, 4, 5, 7]
