import io

import pytest
from rich.console import Console

from gradprobe.records.editing import EditKey
from gradprobe.reports.editing.page import edit_page
from gradprobe.reports.editing.summary import summarise_edits
from gradprobe.reports.editing.wording import headline, points
from gradprobe.reports.kit.page import Page, show_page, write_page

from ._cells import GRAPH, OPTIONS, cell

CELLS = [cell(0), cell(1, gain=0.12), cell(2, gain=0.11)]


@pytest.fixture(scope="module")
def page() -> Page:
    return edit_page(summarise_edits(GRAPH, OPTIONS, CELLS))


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
        "Test accuracy against each method's baseline: better 0, worse 0, not told from zero 3 times"
    )
    assert "GRE+ costs 0.1" in first_point(-0.1, -0.101)
    assert points(summarise_edits(GRAPH, OPTIONS, CELLS[:1])) == ()


def test_every_figure_that_a_section_names_is_drawn(page):
    plates = {section.plate for section in page.sections if section.plate}
    assert plates == set(page.images)
    assert all(image.png.startswith(b"\x89PNG") and image.alt for image in page.images.values())


def test_figures_say_their_numbers_in_words(page):
    images = page.images
    assert "GD 0.310; GRE+ 0.200" in images["gcn-sequential"].alt
    assert "GRE+ 0.500 before, 0 after" in images["gcn-sequential-angles"].alt
    assert "discrepancy 2 of wrong against 5 of right predictions" in images["inconsistency"].alt


def test_the_page_is_written_and_shown_with_names_as_plain_text(page, tmp_path):
    html = write_page(page, tmp_path).read_text()
    assert "toy &lt;b&gt;" in html
    target = io.StringIO()
    Console(file=target, width=200).print(show_page(page))
    assert "What rewiring saves" not in target.getvalue()
    assert "What a method saves" in target.getvalue()


def test_a_study_without_a_finished_cell_says_why():
    failed = summarise_edits(GRAPH, OPTIONS, [], {EditKey(model="gcn", seed=0): "nothing to edit"})
    page = edit_page(failed)
    assert page.headline == "No cell has finished."
    assert page.points == ("1 cell did not finish; the last table says why.",)
    assert ("gcn-seed0", "nothing to edit") in page.sections[-1].tables[1].rows
