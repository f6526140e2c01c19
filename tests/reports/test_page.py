import io
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from gradprobe.errors import InputError
from gradprobe.reports.compare.cells import Table
from gradprobe.reports.kit.page import Page, draw_image, show_page, write_page
from gradprobe.reports.kit.section import Section
from gradprobe.reports.kit.terminal import rich_table

SHOWN = Table("Scores", ("method", "accuracy"), (("gcn <b>", "0.81"),), note="Mean over seeds.")
FOLDED = Table("Options", ("option",), (("hidden",),), folded=True)


def page() -> Page:
    def draw() -> Figure:
        figure = Figure()
        figure.subplots().plot([0, 1])
        return figure

    return Page(
        title="Edits of Cora",
        subtitle="3 seeds",
        headline="Nothing was gained.",
        points=("GRE < GD",),
        sections=(
            Section(
                "Accuracy",
                "Look for a fall.",
                (SHOWN, FOLDED),
                plate="drawdown",
                caption="A line.",
                remarks=(("Node <7>", "It stands alone."),),
            ),
            Section("Scatter", "Look for a slope.", plate="missing", empty="No edit was made."),
        ),
        images={"drawdown": draw_image(draw, "Accuracy falls to 0.7")},
    )


def test_a_page_is_one_html_file_with_its_words_tables_and_figures(tmp_path: Path) -> None:
    html = write_page(page(), tmp_path / "out").read_text()
    for text in (
        "Edits of Cora",
        "3 seeds",
        "Nothing was gained.",
        "GRE &lt; GD",
        "gcn &lt;b&gt;",
        "A line.",
        "<dt>Node &lt;7&gt;</dt>",
        "<dd>It stands alone.</dd>",
    ):
        assert text in html
    assert 'src="data:image/png;base64,' in html
    assert 'alt="Accuracy falls to 0.7"' in html


def test_figures_lie_beside_the_page(tmp_path: Path) -> None:
    write_page(page(), tmp_path)
    assert (tmp_path / "figures" / "drawdown.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_could_not_be_drawn_leaves_its_reason(tmp_path: Path) -> None:
    assert "No edit was made." in write_page(page(), tmp_path).read_text()


def test_the_terminal_shows_words_and_open_tables_but_no_folded_ones() -> None:
    target = io.StringIO()
    Console(file=target, width=80).print(show_page(page()))
    text = target.getvalue()
    assert "Nothing was gained." in text
    assert "gcn <b>" in text
    assert "hidden" not in text
    assert "Node <7>" in text
    assert "It stands alone." in text


def test_names_of_rows_stay_whole_on_a_narrow_terminal() -> None:
    cells = ("0.622 to 0.811",) * 5
    table = Table("Scores", ("method", *"abcde"), (("gragr++-no-pathways", *cells),))
    target = io.StringIO()
    Console(file=target, width=70).print(rich_table(table))
    assert "gragr++-no-pathways" in target.getvalue()
    assert target.getvalue().count("0.811") == 5


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: expected a folder that can be written"):
        write_page(page(), tmp_path / "file" / "out")
