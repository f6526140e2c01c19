import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.figure import Figure as Drawing

from gradprobe.errors import InputError
from gradprobe.reports.kit.document import Card, Document, Figure, Section, Table, facts
from gradprobe.reports.kit.json import as_json
from gradprobe.reports.publish import write
from tests.reports._shown import screen, written

SHOWN = Table("Scores", ("method", "accuracy", "seeds"), (("gcn <b>", "0.81", "3"),), note="Mean over seeds.")
FOLDED = Table("Options", ("option",), (("hidden",),), folded=True)


@dataclass
class Line:
    """A plot that counts how often it is drawn."""

    drawn: int = 0

    def draw(self) -> Drawing:
        self.drawn += 1
        figure = Drawing()
        figure.subplots().plot([0, 1])
        return figure


def document(plot: Line | None = None) -> Document:
    return Document(
        title="Edits of Cora",
        subtitle="3 seeds",
        headline="Nothing was gained.",
        points=("GRE < GD",),
        cards=(
            Card(
                name="mlp <x>",
                call="surgery may help",
                tone="help",
                paragraphs=("It gained.", "b helps."),
                caution="One run.",
                advice=("Run more seeds.",),
                details=(("pcgrad", "open", "no number"),),
            ),
        ),
        scope="Only here.",
        sections=(
            Section(
                "Accuracy",
                "Look for a fall.",
                figure=Figure("drawdown", plot or Line(), "Accuracy falls to 0.7", "A line."),
                tables=(SHOWN, FOLDED, facts("The run", (("epochs", "7"),))),
                remarks=(("Node <7>", "It stands alone."),),
            ),
            Section("Scatter", "Look for a slope.", empty="No edit was made."),
        ),
    )


def test_html_holds_every_word_escaped(tmp_path: Path) -> None:
    html = written(document(), tmp_path)
    for text in (
        "Edits of Cora",
        "3 seeds",
        "Nothing was gained.",
        "GRE &lt; GD",
        "mlp &lt;x&gt;",
        "surgery may help",
        "Note: One run.",
        "Run more seeds.",
        "Only here.",
        "gcn &lt;b&gt;",
        "A line.",
        "<dt>Node &lt;7&gt;</dt>",
        "<dd>It stands alone.</dd>",
        'alt="Accuracy falls to 0.7"',
        "No edit was made.",
        'data-label="accuracy"',
    ):
        assert text in html


def test_a_figure_is_drawn_once_for_the_page_and_for_its_file(tmp_path: Path) -> None:
    plot = Line()
    html = written(document(plot), tmp_path)
    (inside,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(inside) == (tmp_path / "figures" / "drawdown.png").read_bytes()
    assert plot.drawn == 1


def test_a_page_written_elsewhere_has_nothing_beside_it(tmp_path: Path) -> None:
    write(document(), tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_the_terminal_shows_words_and_open_tables_but_no_folded_ones() -> None:
    text = screen(document(), 80)
    for shown in ("Nothing was gained.", "GRE < GD", "gcn <b>", "Node <7>", "It stands alone.", "epochs"):
        assert shown in text
    for shown in ("mlp <x>", "Note: One run.", "→ Run more seeds."):
        assert shown in text
    assert "hidden" not in text


def test_names_of_rows_stay_whole_on_a_narrow_terminal() -> None:
    cells = ("0.622 to 0.811",) * 5
    table = Table("Scores", ("method", *"abcde"), (("gragr++-no-pathways", *cells),))
    text = screen(Document("t", "s", "h", (Section("S", "Look.", tables=(table,)),)), 70)
    assert "gragr++-no-pathways" in text
    assert text.count("0.811") == 5


def test_json_holds_every_word_and_every_cell() -> None:
    found = json.loads(as_json(document()))
    assert (found["format"], found["schema_version"]) == ("gradprobe report", 1)
    assert found["headline"] == "Nothing was gained."
    assert found["cards"][0]["details"] == [{"name": "pcgrad", "remark": "open", "text": "no number"}]
    first, second = found["sections"]
    assert first["figure"]["words"] == "Accuracy falls to 0.7"
    assert [table["rows"] for table in first["tables"]] == [
        [["gcn <b>", "0.81", "3"]],
        [["hidden"]],
        [["epochs", "7"]],
    ]
    assert second["figure"] is None
    assert "sections" not in json.loads(as_json(document(), sections=False))


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: expected a place that can be written"):
        written(document(), tmp_path / "file" / "out")
