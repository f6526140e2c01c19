import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.errors import InputError
from tests.data._tables import chains, write_csv


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    y = np.random.default_rng(0).normal(size=40).round(3).tolist()
    return write_csv(
        tmp_path / "t.csv",
        {
            "SMILES": chains(40),
            "y": y,
            "z": [f"<{v}" if v < 0 else v for v in y[::-1]],
            "note": ["x"] * 40,
            "CID": range(100, 140),
        },
    )


def test_an_audit_shows_columns_and_tasks_as_text_or_json(table: Path) -> None:
    text = run("audit", table, "--focal", "y")
    assert re.search(r"CID +left out: an identifier, such as '100' in row 1", text)
    found = json.loads(run("audit", table, "--json", "--censored", "value", "--exclude", "y"))
    assert [task["task"] for task in found["tasks"]] == ["z"]
    assert found["tasks"][0]["labels"] == 40
    with pytest.raises(InputError, match=r"censored: .*'maybe'"):
        run("audit", table, "--censored", "maybe")


def test_a_description_says_what_was_left_out(table: Path) -> None:
    text = run("describe", table)
    assert "note: left out: text, such as 'x' in row 1" in text
    assert re.search(r"z: task: \d+ bounds such as <5 left out", text)


def test_joining_never_writes_over_its_input(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    with pytest.raises(InputError, match="out: expected a new file"):
        run("join", f"{table}:y", f"{table}:z", "--out", table)
    assert table.read_bytes() == before
    table.write_text(table.read_text() + "xyz,1,1,x,7\n")
    (tmp_path / "skipped.csv").write_text("mine")
    run("join", f"{table}:y", f"{table}:z", "--out", tmp_path / "joined.csv")
    assert (tmp_path / "skipped.csv").read_text() == "mine"
    assert "xyz" in (tmp_path / "joined.skipped.csv").read_text()
    assert "y" in run("describe", tmp_path / "joined.csv")
