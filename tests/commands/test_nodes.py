import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.errors import InputError, MissingExtraError
from gradprobe.graphs.explain import KEY_VARIABLE
from tests.graphs.explain._endpoint import endpoint

pytest.importorskip("torch_geometric", reason="the graphs extra is not installed")
SMALL = ["--seeds", "2", "--epochs", "4", "--jobs", "1"]
KEY = "sk-test-77c1"


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else, and is looked at once."""
    monkeypatch.setattr(
        "gradprobe.reports.publish.draw", lambda document: {f.name: b"" for f in document.figures}
    )


@pytest.fixture(scope="module")
def karate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("karate")
    return out, call(*SMALL, "--out", out)


def call(*options: object) -> str:
    """What `gradprobe graph nodes` prints; its errors are raised."""
    ran = CliRunner().invoke(app, ["graph", "nodes", *map(str, options)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


def error(*options: object) -> str:
    """The sentence with which `gradprobe graph nodes` ends; the command line turns it into exit code 2."""
    with pytest.raises(InputError) as raised:
        CliRunner().invoke(app, ["graph", "nodes", *map(str, options)], catch_exceptions=False)
    return str(raised.value)


def test_karate_runs_by_default_and_leaves_a_report_with_figures(karate: tuple[Path, str]) -> None:
    out, printed = karate
    assert "Gradients on karate" in printed
    assert f"report: {out / 'report.html'}" in printed
    html = (out / "report.html").read_text()
    assert "6 of 6 runs finished" in html
    assert "over 2 seeds" in html
    assert {"differences", "curves", "energy", "starts", "embedding"} <= {
        figure.stem for figure in (out / "figures").glob("*.png")
    }


def test_the_words_about_nodes_hold_no_label(karate: tuple[Path, str]) -> None:
    html = (karate[0] / "report.html").read_text()
    assert "Conflict intensity" in html
    assert "its label is" not in html


@pytest.mark.usefixtures("no_figures")
def test_the_same_folder_goes_on_and_a_model_words_the_nodes(
    karate: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="the llm extra is not installed")
    out, _ = karate
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    with endpoint() as found:
        printed = call(*SMALL, "--out", out, "--llm", found.url, "--llm-model", "small")
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    assert "The node follows its neighbours." in " ".join(printed.split())
    prompts = [body["messages"][0]["content"] for _, _, body in found.requests]
    assert prompts
    assert all("True label" not in prompt for prompt in prompts)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in printed


@pytest.mark.usefixtures("no_figures")
def test_an_endpoint_that_fails_is_told_and_the_template_answers(
    karate: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="the llm extra is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with endpoint() as found:
        found.body = "{"
        printed = call(*SMALL, "--out", karate[0], "--llm", found.url, "--llm-model", "small")
    words = " ".join(printed.split())
    assert "The language model small gave no answer: an answer that is not JSON" in words
    assert "The template answers instead." in words
    assert "Conflict intensity" in words


@pytest.mark.usefixtures("no_figures")
def test_a_graph_of_one_s_own_is_read_and_its_treatment_told(tmp_path: Path) -> None:
    pairs = [(a, b) for a in range(12) for b in range(12) if a < b and (a + b) % 3 == 0]
    (tmp_path / "edges.csv").write_text(
        "source,target\n" + "".join(f"{a},{b}\n" for a, b in [*pairs, (3, 3)])
    )
    splits = ["train", "train", "validation", "validation", "test", "test"] * 2
    rows = [f"{node},{node % 2},{splits[node]},{node % 2},{node / 12}\n" for node in range(12)]
    (tmp_path / "nodes.csv").write_text("node,label,split,x,y\n" + "".join(rows))
    call(
        "--edges", tmp_path / "edges.csv", "--features", tmp_path / "nodes.csv", "--method", "base", *SMALL,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert "self-loop" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["carate"], "expected one of .*karate"),
        (["--model", "transformer"], "models.*gcn"),
        (["--method", "base,graggr"], "method.*gragr"),
        (["--seeds", "0"], "seeds"),
        (["--epochs", "0"], "epochs"),
        (["--edges", "e.csv"], "features: expected a file"),
        (["--features", "n.csv"], "edges: expected a file"),
        (["karate", "--edges", "e.csv", "--features", "n.csv"], "dataset: expected either"),
        (["--edges", "nowhere.csv", "--features", "nowhere.csv"], "nowhere.csv"),
        (["--llm", "http://127.0.0.1:1/v1"], "llm_model: expected a value"),
        (["--llm-model", "small"], "llm: expected a value"),
        (["--llm", "127.0.0.1", "--llm-model", "small"], "llm: expected an address"),
    ],
)
def test_input_that_cannot_be_used_is_one_sentence_before_anything_runs(
    options: list[str], words: str, tmp_path: Path
) -> None:
    said = error(*options, "--out", tmp_path / "out")
    assert re.search(words, said, re.DOTALL), said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_without_openai_the_extra_is_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradprobe.graphs.explain.language_model.find_spec", lambda name: None)
    options = [
        "graph",
        "nodes",
        "--llm",
        "http://host/v1",
        "--llm-model",
        "small",
        "--out",
        str(tmp_path / "out"),
    ]
    with pytest.raises(MissingExtraError, match=r"gradprobe\[llm\]"):
        CliRunner().invoke(app, options, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
