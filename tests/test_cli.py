import json
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gradprobe.cli import main
from gradprobe.reports.compare.verdict import Call

from .studies._tables import write_table

SMALL = ["--encoders", "mlp", "--combiners", "average", "--seeds", "1", "--epochs", "1", "--jobs", "1"]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["gradprobe", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    code = leaving.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv")


def processor_seconds(*command: str) -> float:
    """The least processor time of three runs of a Python command."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_needs_little_more_than_its_own_libraries_and_nothing_heavy() -> None:
    script = (
        "import sys, gradprobe.cli; heavy = ('torch', 'pandas', 'matplotlib', 'rdkit', 'pyarrow'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
    answer = subprocess.run(
        [sys.executable, "-m", "gradprobe", "--help"], capture_output=True, text=True, check=True
    )
    assert "compare" in answer.stdout
    # How long this takes depends on the processor and on the versions of typer and rich, so their own import
    # is the yardstick: about half of it. One heavy import would make it ten times as long.
    libraries = processor_seconds("-c", "import typer.main, rich.console")
    assert processor_seconds("-m", "gradprobe", "--help") < 5.0 * libraries


def test_compare_report_and_show_work_on_a_table(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(monkeypatch, "compare", table, "--focal", "boiling", "--out", out, *SMALL) == 0
    assert "boiling" in capsys.readouterr().out
    assert (out / "report.html").stat().st_size > 1000
    assert list((out / "figures").glob("*.png"))
    assert call(monkeypatch, "report", out, "--out", tmp_path / "other.html") == 0
    assert (tmp_path / "other.html").exists()
    assert (
        call(
            monkeypatch, "report", out / "cells" / "mlp-average-seed0" / "trace", "--out", tmp_path / "t.html"
        )
        == 0
    )
    capsys.readouterr()
    assert call(monkeypatch, "show", out) == 0
    assert "boiling" in capsys.readouterr().out


def spoil(table: Path, column: str, value: object, rows: slice = slice(None)) -> None:
    frame = pd.read_csv(table).astype(object)
    frame.loc[frame.index[rows], column] = value
    frame.to_csv(table, index=False)


@pytest.mark.parametrize(
    ("damage", "options", "words"),
    [
        (lambda t: t.unlink(), [], ["table.csv"]),
        (lambda t: None, ["--smiles", "SMILES"], ["SMILES", "smiles"]),
        (lambda t: None, ["--aux", "polarity"], ["polarity"]),
        (lambda t: None, ["--focal", "boling"], ["focal", "boling", "boiling"]),
        (lambda t: spoil(t, "smiles", "???"), [], ["smiles"]),
        (lambda t: spoil(t, "polar", None, slice(15, None)), ["--aux", "polar"], ["20", "polar"]),
        (lambda t: spoil(t, "polar", 3.0), ["--aux", "polar"], ["polar", "3"]),
        (lambda t: spoil(t, "boiling", "hot"), [], ["boiling", "left out: text", "'hot' in row 1"]),
        (lambda t: pd.read_csv(t)[["smiles", "boiling"]].to_csv(t, index=False), [], ["two", "boiling"]),
        (lambda t: None, ["--encoders", "mlp,gnn"], ["gnn", "mlp, dmpnn, gine"]),
        (lambda t: None, ["--combiners", "magic"], ["magic", "pcgrad"]),
        (lambda t: None, ["--log10", "polar"], ["polar", "log10"]),
        (
            lambda t: None,
            ["--split", "scaffold"],
            ["split", "leaves train", "split at random"],
        ),
        (lambda t: None, ["--jobs", "-2"], ["jobs", "-2"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    damage: object,
    options: list[str],
    words: list[str],
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(table)  # type: ignore[operator]
    arguments = ["compare", table, "--focal", "boiling", "--out", tmp_path / "out", *SMALL, *options]
    assert call(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("gradprobe: ")
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert not (tmp_path / "out" / "cells").exists()


def test_what_must_be_named_is_asked_for(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "compare", table) == 2
    assert capsys.readouterr().err.startswith("gradprobe: focal: expected a value, got none; name it on")


def test_brackets_and_blanks_in_names_are_taken_as_they_are(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs [x]"
    spaced = [name.replace("mlp", " mlp ") for name in SMALL]
    assert call(monkeypatch, "compare", table, "--focal", "boiling", "--out", out, *spaced) == 0
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out


def test_an_unknown_folder_is_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("report", "show"):
        assert call(monkeypatch, command, tmp_path / "nothing") == 2
        assert "nothing" in capsys.readouterr().err


def test_data_commands_join_describe_and_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("Drug,Y\nCCO,1.0\nOCC,3.0\nC,5.0\n")
    (tmp_path / "b.csv").write_text("Drug,Y\nC(C)O,7.0\nbad molecule,1.0\n")
    joined = tmp_path / "joined.csv"
    join = [
        "data",
        "join",
        tmp_path / "a.csv",
        tmp_path / "b.csv",
        "--smiles",
        "Drug",
        "--value",
        "Y",
        "--out",
        joined,
    ]
    assert call(monkeypatch, *join) == 0
    frame = pd.read_csv(joined).set_index("smiles")
    assert frame.loc["CCO", "a"] == 2.0
    assert frame.loc["CCO", "b"] == 7.0
    assert pd.isna(frame.loc["C", "b"])
    assert "bad molecule" in (tmp_path / "skipped.csv").read_text()
    capsys.readouterr()
    assert call(monkeypatch, "data", "describe", joined) == 0
    assert "regression" in capsys.readouterr().out
    assert call(monkeypatch, "data", "list") == 0
    assert "physchem" in capsys.readouterr().out


def test_the_verdict_is_one_of_its_calls_in_words_and_in_json(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(monkeypatch, "compare", table, "--focal", "boiling", "--out", out, *SMALL) == 0
    capsys.readouterr()
    assert call(monkeypatch, "verdict", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((out / "verdict.json").read_text())
    verdict = said["encoders"][0]["verdict"]
    assert verdict in set(Call)
    assert call(monkeypatch, "verdict", out) == 0
    assert verdict in capsys.readouterr().out


def test_watch_refuses_what_is_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert call(monkeypatch, "watch", tmp_path / "file") == 2
    assert "trace" in capsys.readouterr().err
