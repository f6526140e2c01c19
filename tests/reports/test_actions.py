"""Comparisons and bare traces end in actions: predicted by geometry, trained where the study trained them."""

from __future__ import annotations

import pytest

from gradprobe.decisions import ready_actions
from gradprobe.records.compare import CellKey
from gradprobe.records.decision import ActionLine, Predicted, Range
from gradprobe.reports.compare.actions import actions_of, next_step
from gradprobe.reports.compare.scores import AUROC, RAE, CombinerScore
from gradprobe.reports.compare.source import Cell, Source
from gradprobe.reports.kinds import load
from gradprobe.reports.kit.document import Document
from gradprobe.reports.statistics.paired import paired_difference
from gradprobe.reports.statistics.seeds import over_seeds
from tests.decisions.test_ready_actions import trace


def section(document: Document):
    return next(each for each in document.sections if each.title == "What can be done instead of averaging")


def score(combiner: str, own: list[float], averaging: list[float]) -> CombinerScore:
    values = dict(enumerate(own))
    return CombinerScore(
        combiner, values, over_seeds(own), paired_difference(values, dict(enumerate(averaging)))
    )


def lines(*scores: CombinerScore, metric=RAE, options=None):
    cells = [Cell(CellKey(encoder="mlp", combiner="average", seed=0), "finished", trace())]
    source = Source("study", "focal", tuple(cells))
    return {
        line.action: line
        for line in actions_of(cells, cells, source, scores, metric, options=options or {"pcgrad": {}})
    }


def test_a_bare_trace_ends_in_ranked_actions_and_what_to_do_next() -> None:
    found = section(load(trace()).document)
    (table,) = found.tables
    assert [row[1] for row in table.rows] == [each.name for each in ready_actions(trace(), most=200)]
    assert table.rows[0][1] == "drop harms"
    ((name, text),) = found.remarks
    assert name == "this run"
    assert text.startswith("Not settled: keep averaging until then. The most promising is drop harms")


def test_where_tasks_share_nothing_the_report_says_stop() -> None:
    ((_, text),) = section(load(trace(apart=True)).document).remarks
    assert text == "No action can matter here: every one makes averaging's update. Keep averaging and stop."


def test_a_trace_without_held_out_rows_has_no_such_section() -> None:
    titles = [each.title for each in load(trace(heldout=False)).document.sections]
    assert "What can be done instead of averaging" not in titles


def test_trained_effects_are_improvements_whichever_way_the_score_points() -> None:
    averaging = [0.50, 0.52, 0.51]
    better = [0.40, 0.43, 0.41]
    lower = lines(score("pcgrad", better, averaging))["pcgrad"]
    assert lower.trained.mean == pytest.approx(0.29 / 3)
    assert 0.0 < lower.trained.low < lower.trained.high
    higher = lines(score("pcgrad", better, averaging), metric=AUROC)["pcgrad"]
    assert (higher.trained.mean, higher.trained.low) == pytest.approx(
        (-lower.trained.mean, -lower.trained.high)
    )


def test_the_focal_task_alone_and_a_fixed_share_are_the_actions_that_were_trained() -> None:
    averaging = [0.50, 0.52]
    found = lines(
        score("single_task", [0.4, 0.41], averaging),
        score("weighted", [0.45, 0.46], averaging),
        options={"weighted": {"focal_share": 0.7}},
    )
    assert found["focal alone"].trained.pairs == 2
    assert found["focal share 0.7"].trained.mean == pytest.approx(0.055)
    assert "weighted" not in found


def test_a_prediction_that_training_refutes_is_marked_and_not_recommended() -> None:
    worse = score("single_task", [0.60, 0.62, 0.61], [0.5, 0.52, 0.505])
    # Leaving out what harms helps; training the focal task alone, by prediction, too.
    cells = [Cell(CellKey(encoder="mlp", combiner="average", seed=0), "finished", trace(helps=-0.1))]
    found = actions_of(cells, cells, Source("s", "focal", tuple(cells)), [worse], RAE, options={"pcgrad": {}})
    alone = next(line for line in found if line.action == "focal alone")
    assert alone.predicted.effect > 0.0
    assert alone.refuted
    assert found[0].action == "focal alone"
    assert "most promising is focal alone" not in next_step(found)


def test_what_to_do_next_puts_training_before_prediction() -> None:
    def line(name: str, effect: float, low: float | None = None, high: float | None = None) -> ActionLine:
        trained = (
            None if low is None or high is None else Range(mean=(low + high) / 2, low=low, high=high, pairs=3)
        )
        predicted = Predicted(effect=effect, low=None, high=None, runs=2)
        return ActionLine(action=name, status="", predicted=predicted, trained=trained)

    assert next_step([line("a", 0.5), line("b", -0.1, 0.01, 0.05)]).startswith("Training found b better")
    assert "most promising is a (predicted +0.50)" in next_step([line("a", 0.5), line("b", -0.1)])
    assert next_step([line("a", 0.5, -0.2, -0.1)]).startswith("Nothing is predicted to help")
