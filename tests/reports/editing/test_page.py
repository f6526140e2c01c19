import pytest

from gradprobe.records.editing import EditKey
from gradprobe.reports.editing.document import edit_document
from gradprobe.reports.editing.summary import summarise_edits
from gradprobe.reports.editing.wording import headline, points
from gradprobe.reports.kit.document import Document
from tests.reports._shown import screen, words, written

from ._cells import GRAPH, OPTIONS, cell

CELLS = [cell(0), cell(1, gain=0.12), cell(2, gain=0.11)]


@pytest.fixture(scope="module")
def page() -> Document:
    return edit_document(summarise_edits(GRAPH, OPTIONS, CELLS))


def first_point(*gains: float) -> str:
    return points(
        summarise_edits(GRAPH, OPTIONS, [cell(seed, gain=gain) for seed, gain in enumerate(gains)])
    )[0]


def test_the_headline_names_what_each_method_loses():
    said = headline(summarise_edits(GRAPH, OPTIONS, CELLS))
    assert said == "GCN, sequential edits: mean test accuracy lost is 0.203 under GD and 0.0933 under GRE+."


def test_a_difference_is_claimed_only_where_its_interval_leaves_zero_out():
    found = first_point(0.1, 0.12, 0.11)
    assert found.startswith("GCN, sequential: GRE+ saves 0.110 of test accuracy against GD (+0.0852 to")
    assert first_point(0.1, -0.1).startswith(
        "Test accuracy against each method's baseline: better 0, worse 0, not distinguishable from zero "
        "3 times"
    )
    assert "GRE+ costs 0.1" in first_point(-0.1, -0.101)
    assert points(summarise_edits(GRAPH, OPTIONS, CELLS[:1])) == ()


def test_every_figure_is_drawn_and_lies_beside_the_page(page, tmp_path):
    written(page, tmp_path)
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == set(words(page))
    assert all(words(page).values())


def test_figures_say_their_numbers_in_words(page):
    said = words(page)
    assert "GD 0.310; GRE+ 0.200" in said["gcn-sequential"]
    assert "GRE+ 0.500 before, 0 after" in said["gcn-sequential-angles"]
    assert "discrepancy 2.00 of wrong against 5.00 of right predictions" in said["inconsistency"]


def test_the_page_is_written_and_shown_with_names_as_plain_text(page, tmp_path):
    assert "toy &lt;b&gt;" in written(page, tmp_path)
    assert "What rewiring saves" not in screen(page)
    assert "What a method saves" in screen(page)


def test_a_study_without_a_finished_cell_says_why():
    failed = summarise_edits(GRAPH, OPTIONS, [], {EditKey(model="gcn", seed=0): "nothing to edit"})
    page = edit_document(failed)
    assert page.headline == "No cell has finished."
    assert page.points == ("1 cell did not finish; the last table says why.",)
    assert ("gcn-seed0", "nothing to edit") in page.sections[-1].tables[1].rows
