"""A new kind of study, whole: docs/extending.md lists its files, and this is all that they would hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.commands.running import run_and_report
from gradprobe.records import kinds as stored
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Result
from gradprobe.records.study import StoredStudy
from gradprobe.reports import kinds as reported
from gradprobe.reports.kit.document import Document, Figure, Section, Table
from gradprobe.reports.kit.numbers import cell, ranged
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.statistics.seeds import OverSeeds, over_seeds
from gradprobe.studies import Plan
from gradprobe.studies.desk import Desk
from gradprobe.studies.plan import plan_cells

# records/coin.py, and its line in records/kinds.py


class CoinKey(Key):
    """One run: a bias of the coin, a seed."""

    bias: float
    seed: int

    @property
    def id(self) -> str:
        return f"bias{self.bias:g}-seed{self.seed}"


class CoinRun(Result):
    """What one run found: the share of heads."""

    columns: ClassVar[tuple[str, ...]] = ("cell", "bias", "seed", "heads")
    key: CoinKey
    heads: float

    def rows(self) -> Iterator[dict[str, Any]]:
        yield {"cell": self.key.id, **self.key.model_dump(), "heads": self.heads}


class CoinManifest(Manifest):
    """The manifest of a study of coins."""

    kind: Literal["coin"] = "coin"
    cells: tuple[CoinKey, ...]


COIN = stored.Kind("coin", CoinManifest, CoinRun)

# studies/coin.py


@dataclass(frozen=True)
class CoinWork:
    """Flips one coin."""

    flips: int

    def prepare(self, cache: Path) -> None:
        """Nothing is shared."""

    def __call__(self, key: CoinKey, desk: Desk) -> CoinRun:
        heads = np.random.default_rng(key.seed).random(self.flips) < key.bias
        return CoinRun(key=key, heads=float(heads.mean()))


def plan_coin(out: Path, *, seeds: int) -> Plan[CoinManifest, CoinKey, CoinRun]:
    """Two coins, flipped a hundred times a seed."""
    cells = [CoinKey(bias=bias, seed=seed) for seed in range(seeds) for bias in (0.2, 0.7)]
    options = {"flips": 100}
    return plan_cells(
        COIN, out, identity=options, options=options, cells=cells, work=CoinWork(100), packages=("numpy",)
    )


# reports/coin/: summary, tables, figures, document, and its line in reports/kinds.py


def of_study(study: StoredStudy[CoinManifest, CoinRun]) -> dict[float, OverSeeds]:
    """The share of heads of each coin, over seeds."""
    runs = list(study.results.values())
    biases = dict.fromkeys(run.key.bias for run in runs)
    return {bias: over_seeds([r.heads for r in runs if r.key.bias == bias]) for bias in biases}


def coin_document(heads: dict[float, OverSeeds]) -> Document:
    """What the coins came to."""
    rows = tuple((f"{bias:g}", cell(found)) for bias, found in heads.items())
    marks = [
        Row(f"{bias:g}", (Mark(found.mean, "black", found.low, found.high),)) for bias, found in heads.items()
    ]
    figure = Figure("heads", Forest((ForestPanel("", tuple(marks)),), "share of heads"), "Heads.", "By coin.")
    return Document(
        title="Coins",
        subtitle=f"{len(heads)} coins",
        headline=f"Heads come up {ranged(heads[0.7])} of the time."
        if 0.7 in heads
        else "No run has finished.",
        sections=(Section("Heads", "Look right.", figure, (Table("Heads", ("bias", "heads"), rows),)),),
    )


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(stored.KINDS, "coin", COIN)
    monkeypatch.setitem(reported.KINDS, "coin", reported.Kind(of_study, coin_document))


@pytest.mark.usefixtures("registered")
def test_a_new_kind_runs_resumes_and_is_reported_from_what_is_on_disk(tmp_path, capsys):
    folder = tmp_path / "coins"
    run_and_report(plan_coin(folder, seeds=2), jobs=1)
    run_and_report(plan_coin(folder, seeds=3), jobs=1)
    heads = [np.mean(np.random.default_rng(seed).random(100) < 0.7) for seed in range(3)]
    wanted = f"{np.mean(heads):.3f} ({min(heads):.3f} to {max(heads):.3f})"
    assert wanted in capsys.readouterr().out
    (folder / "report.html").unlink()
    for command in ("report", "show", "verdict"):
        ran = CliRunner().invoke(app, [command, str(folder)], catch_exceptions=False)
        assert ran.exit_code == 0
        assert wanted in ran.output or command == "report"
    assert wanted in (folder / "report.html").read_text()
    assert (folder / "figures" / "heads.png").exists()
    ran = CliRunner().invoke(app, ["show", str(folder), "--json"], catch_exceptions=False)
    assert json.loads(ran.stdout)["headline"] == f"Heads come up {wanted} of the time."
    assert len((folder / "results.csv").read_text().splitlines()) == 7


@pytest.mark.usefixtures("registered")
def test_a_cell_that_fails_is_named_and_the_report_is_of_the_others(tmp_path, monkeypatch, capsys):
    flip = CoinWork.__call__
    monkeypatch.setattr(
        CoinWork, "__call__", lambda self, key, desk: flip(self, key, desk) if key.bias > 0.5 else 1 / 0
    )
    with pytest.raises(SystemExit):
        run_and_report(plan_coin(tmp_path / "coins", seeds=1), jobs=1)
    shown = capsys.readouterr().out
    assert "failed: bias0.2-seed0: ZeroDivisionError" in shown
    assert "Heads come up" in shown
