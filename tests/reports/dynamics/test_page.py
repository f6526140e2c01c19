from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from gradprobe.reports.dynamics.figures import FIGURES
from gradprobe.reports.dynamics.page import dynamics_page
from gradprobe.reports.dynamics.summary import summarise_dynamics
from gradprobe.reports.kit.page import show_page, write_page
from tests.reports.dynamics._runs import ACCURACIES, OPTIONS, run, sweep


def test_a_report_has_its_figures_tables_and_outcomes(tmp_path):
    page = dynamics_page(
        summarise_dynamics(OPTIONS, sweep(graphs=6, seeds=1), {"cora-seed9": "loss: not finite"})
    )
    assert page.headline.startswith(
        "That alignment explains where graph networks win and lose is confirmed: rank correlation +"
    )
    html = write_page(page, tmp_path).read_text()
    assert set(page.images) == set(FIGURES)
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == set(FIGURES)
    assert "Failed: cora-seed9: loss: not finite" in page.points
    assert "GCN / RP" in html
    assert all(section.plate in page.images for section in page.sections if section.plate)
    assert not re.search(r"\bnan\b", html)


def test_every_figure_says_its_numbers_in_words():
    summary = summarise_dynamics(OPTIONS, sweep())
    for _, describe in FIGURES.values():
        words = describe(summary)
        assert "sbm:0.0625" in words
        assert "undefined" not in words


def test_wins_and_losses_told_from_zero_are_named():
    page = dynamics_page(summarise_dynamics(OPTIONS, sweep(graphs=3, seeds=3)))
    (said,) = [point for point in page.points if point.startswith("Told from zero")]
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
    page = dynamics_page(summarise_dynamics(OPTIONS, runs))
    html = write_page(page, tmp_path).read_text()
    assert not re.search(r"\bnan\b", html)
    out = io.StringIO()
    Console(file=out, width=100).print(show_page(page))
    assert "not testable here" in out.getvalue()


def test_names_of_graphs_are_text_and_never_markup(tmp_path):
    page = dynamics_page(summarise_dynamics(OPTIONS, [run("<b>[red]x")]))
    assert "<b>[red]" not in write_page(page, tmp_path).read_text()
    out = io.StringIO()
    Console(file=out, width=200).print(show_page(page))
    assert "<b>[red]x" in out.getvalue()
