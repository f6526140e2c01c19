"""report, show and verdict serve a study of every kind from what is on disk."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.errors import InputError
from gradprobe.reports.kinds import KINDS
from gradprobe.reports.kit.document import Document

FOLDERS = Path(__file__).parents[1] / "reports" / "folders"


def run(*words: object) -> str:
    ran = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def blank(document: Document) -> dict[str, bytes]:
    """Figures that took no time to draw."""
    return {figure.name: b"" for figure in document.figures}


# `decide` came after version 0.1.0; its command's own test shows and judges its folder.
OLDER = [kind for kind in KINDS if kind not in ("compare", "decide")]


@pytest.fixture(scope="module", params=OLDER)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of each kind, resumed so that it is one of today's."""
    made = tmp_path_factory.mktemp("read") / request.param
    shutil.copytree(FOLDERS / request.param, made)
    words = shlex.split(json.loads((made / "grid.json").read_text())["command"])[1:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradprobe.reports.publish.draw", blank)
        run("graph", *words, made)
    return made


def test_a_folder_is_shown_and_judged_as_words_and_as_json(folder: Path) -> None:
    shown, found = run("show", folder), json.loads(run("show", folder, "--json"))
    assert found["title"] in shown
    assert found["sections"]
    judged, verdict = run("verdict", folder), json.loads(run("verdict", folder, "--json"))
    assert verdict["headline"] == found["headline"]
    assert found["headline"] in " ".join(judged.split())
    assert "sections" not in verdict


def test_a_report_is_written_again_from_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradprobe.reports.publish.draw", blank)
    before = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    assert run("report", folder).strip() == str(folder / "report.html")
    assert (folder / "report.html").read_text() == before
    assert json.loads(run("report", folder, "--json"))["format"] == "gradprobe report"


def test_a_folder_of_nothing_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study\.json of a study or the header\.json of a trace"):
        run("report", tmp_path)
