from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Document
from gradprobe.reports.nodes import figures, tables
from gradprobe.reports.nodes.document import nodes_document
from gradprobe.reports.nodes.words import remarks
from tests.reports._shown import drawn, names, screen, words, written

from ._summaries import run, snapshot, summary


@dataclass(frozen=True)
class Words:
    node: int
    text: str
    source: str = "template"
    note: str = ""


ALL = {
    "differences",
    "ablation",
    "curves",
    "starts",
    "energy",
    "embedding",
    "degree",
    "alignment",
    "attention",
}
WORDS = "It stands between two groups. " * 6


@pytest.fixture(scope="module")
def page() -> Document:
    told = [Words(121, WORDS + "The end."), Words(109, "A <b>bold</b> claim.", source="small")]
    return nodes_document(replace(summary(), explanations=told))


def test_a_full_study_has_every_figure_with_words_for_those_who_do_not_see_it(page: Document) -> None:
    assert names(page) == ALL
    assert all(len(said) > 30 and "nan" not in said for said in words(page).values())


def test_what_was_not_measured_is_not_drawn() -> None:
    bare = summary(run("base", [0.8]), starts=None, snapshot=None)
    assert names(nodes_document(bare)) == {"curves", "energy"}


def test_without_a_node_in_conflict_that_has_neighbours_there_is_no_star() -> None:
    assert figures.attention(snapshot(star=False), "") is None


def test_a_snapshot_in_which_nothing_is_defined_has_nothing_to_draw_or_to_explain() -> None:
    found = snapshot()
    empty = np.full(len(found.nodes), np.nan)
    nowhere = np.full((len(empty), 6), np.nan)
    blank = replace(found, clustering=empty, alignment_before=empty, alignment_after=empty, features=nowhere)
    assert figures.degree(blank, "") is None
    assert figures.alignment(blank, "") is None
    assert not len(blank.most_conflicted)


def test_the_html_holds_the_words_escaped(page: Document, tmp_path: Path) -> None:
    html = written(page, tmp_path)
    assert "A &lt;b&gt;bold&lt;/b&gt; claim." in html
    assert "identity &lt;matrix&gt;" in html


def test_the_terminal_shows_explanations_to_their_last_word(page: Document) -> None:
    assert "The end." in " ".join(screen(page, 100).split())


def test_why_the_template_stands_in_is_told_once() -> None:
    note = "the language model small gave no answer: status 500"
    assert remarks([Words(1, "a", note=note), Words(2, "b", note=note)]) == (
        ("Note", "The language model small gave no answer: status 500. The template answers instead."),
        ("Node 1, by the template", "a"),
        ("Node 2, by the template", "b"),
    )


def test_a_language_model_is_named_beside_its_words() -> None:
    assert remarks([Words(1, "a", source="small")]) == (("Node 1, by the language model small", "a"),)


def test_the_most_conflicted_nodes_come_first_and_undefined_ones_not_at_all() -> None:
    found = snapshot()
    found.features[:, 0] = 0.0
    found.features[3, 0], found.features[5, 0], found.features[7, 0] = 2.0, 3.0, np.nan
    assert found.most_conflicted.tolist() == [5, 3]
    rows = tables.features(found).rows
    assert [row[0] for row in rows] == ["105", "103"]


def test_the_role_is_a_word_and_what_is_undefined_is_called_so() -> None:
    found = snapshot()
    found.features[0] = (9.0, np.nan, 1.0, -0.4, 1.5, 0.2)
    row = tables.features(found).rows[0]
    assert row[3:] == ("9.00", "undefined", "1.00", "−0.400", "bridge", "0.200")


def test_differences_have_signs_and_intervals_and_rounding_leaves_no_noise() -> None:
    rows = {row[0]: row for row in tables.differences(summary()).rows}
    assert "base" not in rows
    assert rows["gragr"][2].startswith("+0.022\n+0.020 to +0.024")
    assert rows["gragr++"][2].startswith("0.000\n")


def test_a_run_is_named_by_its_model_too_where_there_are_several() -> None:
    two = summary(run("base", [0.8]), run("base", [0.8], model="sage"))
    assert [row[0] for row in tables.scores(two).rows] == ["gcn base", "sage base"]
    assert tables.scores(summary()).rows[0][0] == "base"


def test_failures_and_options_stand_in_the_folded_table() -> None:
    table = tables.conditions(summary(failed={"gcn-gragr-seed0": "no luck"}))
    assert table.folded
    assert ("failed: gcn-gragr-seed0", "no luck") in table.rows
    assert ("learning rate", "0.01") in table.rows


def test_only_methods_with_a_variant_have_an_ablation() -> None:
    assert figures.ablation(summary(run("base", [0.8]))) is None


def test_one_seed_is_a_hollow_dot_without_an_interval() -> None:
    found = summary(run("base", [0.8]), run("gragr", [0.9], base=[0.8]))
    (panel,) = drawn(figures.differences(found)).axes
    assert panel.lines[0].get_markerfacecolor() == "white"
    assert len(panel.lines) == 2  # the dot and the line at zero


def test_large_stars_show_their_heaviest_neighbours_only() -> None:
    found = snapshot()
    assert found.star is not None
    many = replace(
        found.star,
        neighbours=tuple(range(50)),
        weights=tuple(np.arange(50) / 1225),
        conflicting=(False,) * 50,
    )
    (panel,) = drawn(figures.attention(replace(found, star=many), "")).axes
    assert len(panel.get_yticks()) == 20
    assert panel.get_yticklabels()[0].get_text() == "node 49"


@pytest.mark.parametrize(("method", "like"), [("gragr-no-meta", "gragr"), ("gragr++-no-pathways", "gragr++")])
def test_a_method_without_a_part_has_the_method_s_colour(method: str, like: str) -> None:
    assert colours.of_node_method(method) == colours.of_node_method(like)
