from __future__ import annotations

import re

import pytest

from gradprobe.reports.dynamics.document import dynamics_document
from gradprobe.reports.dynamics.summary import summarise_dynamics
from tests.reports._shown import names, screen, words, written
from tests.reports.dynamics._runs import ACCURACIES, OPTIONS, run, sweep


def test_a_report_has_its_figures_tables_and_outcomes(tmp_path):
    page = dynamics_document(
        summarise_dynamics(OPTIONS, sweep(graphs=6, seeds=1), {"cora-seed9": "loss: not finite"})
    )
    assert page.headline.startswith(
        "That alignment explains where graph networks win and lose is confirmed: rank correlation +"
    )
    html = written(page, tmp_path)
    assert names(page) == {"courses", "homophily", "wins", "propagation"}
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == names(page)
    assert "Failed: cora-seed9: loss: not finite" in page.points
    assert "GCN / RP" in html
    assert not re.search(r"\bnan\b", html)


def test_every_figure_says_its_numbers_in_words():
    for said in words(dynamics_document(summarise_dynamics(OPTIONS, sweep()))).values():
        assert "sbm:0.0625" in said
        assert "undefined" not in said


def test_wins_and_losses_told_from_zero_are_named():
    page = dynamics_document(summarise_dynamics(OPTIONS, sweep(graphs=3, seeds=3)))
    (said,) = [point for point in page.points if point.startswith("Over seeds, by more than chance")]
    assert "beats the MLP on sbm:0.833333" in said
    assert "loses on sbm:0.166667" in said


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run()],
        [run(homophily=None, graph_target=None)],
        [run(gcn_target=(None, None, None, None), accuracies={**ACCURACIES, "rp_kernel": None})],
    ],
)
def test_little_or_undefined_data_still_make_a_page(runs, tmp_path):
    page = dynamics_document(summarise_dynamics(OPTIONS, runs))
    html = written(page, tmp_path)
    assert not re.search(r"\bnan\b", html)
    assert "not testable here" in screen(page, 100)


def test_names_of_graphs_are_text_and_never_markup(tmp_path):
    page = dynamics_document(summarise_dynamics(OPTIONS, [run("<b>[red]x")]))
    assert "<b>[red]" not in written(page, tmp_path)
    assert "<b>[red]x" in screen(page)
