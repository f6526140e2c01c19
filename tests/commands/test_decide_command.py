"""gradprobe decide, from the command line to its files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gradprobe.cli import main
from gradprobe.commands.decide import seconds, share
from gradprobe.errors import InputError

from ..studies._tables import write_table


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["gradprobe", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    return leaving.value.code if isinstance(leaving.value.code, int) else 0


def test_decide_writes_its_files_and_report_show_and_verdict_serve_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_table(tmp_path / "table.csv"), tmp_path / "out"
    options = ["--focal", "boiling", "--encoder", "mlp(width=8,depth=1)", "--combiners", "pcgrad"]
    options += ["--trainings", 18, "--enter", 1, "--epochs", 2, "--batch-size", 16, "--jobs", 1]
    assert call(monkeypatch, "decide", table, *options, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "probing averaging: 2 trainings" in shown
    assert "racing " in shown
    for name in ("report.html", "decision.json", "recipe.toml", "figures/effects.png"):
        assert (out / name).is_file(), name
    assert not (out / "verdict.json").exists()
    decision = json.loads((out / "decision.json").read_text())
    assert call(monkeypatch, "verdict", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == decision
    before = (out / "report.html").read_text()
    assert call(monkeypatch, "report", out) == 0
    assert (out / "report.html").read_text() == before
    capsys.readouterr()
    assert call(monkeypatch, "show", out) == 0
    assert "What to do about the auxiliaries of boiling" in capsys.readouterr().out


def test_a_budget_is_a_time_and_a_margin_a_percentage() -> None:
    assert (seconds("90s"), seconds("30m"), seconds("2 h"), seconds("5")) == (90.0, 1800.0, 7200.0, 300.0)
    assert (share("2%"), share("0.05"), share("2.5 %")) == (0.02, 0.05, pytest.approx(0.025))
    for text in ("soon", "0m", "-5m"):
        with pytest.raises(InputError, match="budget: expected a time"):
            seconds(text)
    for text in ("2", "0%", "much"):
        with pytest.raises(InputError, match="margin: expected a percentage"):
            share(text)


def test_a_table_without_enough_focal_compounds_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "table.csv")
    lines = table.read_text().splitlines()
    (tmp_path / "small.csv").write_text("\n".join(lines[:45]) + "\n")
    assert (
        call(monkeypatch, "decide", tmp_path / "small.csv", "--focal", "boiling", "--out", tmp_path / "o")
        == 2
    )
    assert "parent compounds" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
