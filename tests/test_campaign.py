"""The campaign at toy size, and that it calls a fault a fault. All of it: make campaign."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.campaign import exactness, fuzzing, inertness, kills, mutations, studies
from benchmarks.campaign.__main__ import main
from benchmarks.campaign.ddp import _verdict
from benchmarks.campaign.isolated import judged
from benchmarks.campaign.verdicts import HARMLESS, Verdict, judge
from gradprobe.errors import InputError
from gradprobe.probes import GradientProbe

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> studies.Reference:
    return studies.reference(tmp_path_factory.mktemp("campaign"))


def kinds(found: object) -> list[str]:
    return [verdict.kind for _, verdict in found]  # type: ignore[attr-defined]


def test_a_refusal_in_one_line_is_named_and_anything_else_a_fault() -> None:
    def raising(error: Exception) -> Verdict:
        def call() -> None:
            raise error

        return judge(call)

    assert raising(InputError("path: expected a table, got none")).kind == "named"
    assert raising(InputError("two\nlines")).kind == "fault"
    assert raising(InputError("\x1b[2Ja cleared screen")).kind == "fault"
    assert raising(InputError("")).kind == "fault"
    assert raising(KeyError("x")) == Verdict("fault", "KeyError: 'x'")
    assert judge(lambda: 1) is HARMLESS


def test_an_attack_that_kills_its_process_or_hangs_is_a_fault_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.campaign.isolated.SECONDS", 2.0)

    def work(attack: str) -> Verdict:
        if attack == "kill":
            os.abort()
        if attack == "hang":
            time.sleep(60)
        return HARMLESS

    found = dict(judged(["a", "kill", "b", "hang", "c"], work))
    assert [found[name].kind for name in "abc"] == ["harmless"] * 3
    assert found["kill"] == Verdict("fault", "the process ended with -6")
    assert found["hang"].what == "no answer within 2 s"


def test_a_killed_study_ends_as_the_reference_does(reference: studies.Reference, tmp_path: Path) -> None:
    assert kinds(kills.kills(reference, tmp_path, 2, seed=1)) == ["harmless"] * 2


def test_a_study_that_lost_a_result_or_a_measurement_is_a_fault(
    reference: studies.Reference, tmp_path: Path
) -> None:
    lost = studies.copied(reference.folder, tmp_path / "lost")
    lines = (lost / "results.csv").read_text().splitlines(keepends=True)
    (lost / "results.csv").write_text("".join(lines[:-1]))
    assert kills._same(reference.folder, lost).what == "results.csv differs"
    short = studies.copied(reference.folder, tmp_path / "short")
    next(short.glob("cells/*/trace/gramians-*.parquet")).unlink()
    assert kills._same(reference.folder, short).kind == "fault"


def test_mutations_are_judged_and_the_same_seed_makes_the_same_damage(
    reference: studies.Reference, tmp_path: Path
) -> None:
    made = []
    for name in "ab":
        folder = studies.copied(reference.folder, tmp_path / name / "reference")
        mutations.mutate(folder, mutations.Mutation("study.json", 5, 0), [reference.folder / "study.json"])
        path = folder / "study.json"
        made.append(path.read_bytes() if path.is_file() else None)
    assert made[0] == made[1]
    found = list(mutations.mutations(reference, tmp_path, 4, seed=2))
    assert len(found) == 4


def test_another_report_is_silent_unless_it_names_the_damage() -> None:
    told = mutations._told
    assert told("x", ("cell-1",), "x") is HARMLESS
    assert told("score 0.5", ("cell-1",), "score 0.6\ncell-1 0.6").kind == "fault"
    assert told("score 0.5", ("cell-1",), "score –\ncell-1 unreadable: no JSON").kind == "named"
    assert told("4 of 4 cells finished", ("cell-1",), "3 of 4 cells finished").kind == "named"


def test_fuzzed_files_of_every_kind_are_judged(reference: studies.Reference, tmp_path: Path) -> None:
    found = list(fuzzing.fuzzing(reference, tmp_path, 14, seed=3))
    assert {name.partition(",")[0] for name, _ in found} >= {".csv", ".csv.gz", ".parquet", ".toml"}


def test_runs_of_the_zoo_are_inert_and_a_probe_that_moves_the_run_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [run for run in inertness.runs() if run.case.name in ("mlp_dropout_batchnorm", "lstm")]
    assert len({run.case.name for run in inertness.runs()}) >= 14
    assert "fault" not in kinds(inertness.inertness(chosen[:3], 4))

    def careless(self: GradientProbe, losses: object, step: int) -> None:
        torch.rand(1)

    monkeypatch.setattr(GradientProbe, "measure", careless)
    assert kinds(inertness.inertness(chosen[:1], 4)) == ["fault"]


def test_drift_between_processes_and_a_changed_run_are_faults() -> None:
    def left(digest: str, refused: str = "") -> dict[str, str]:
        return {"digest": digest, "refused": refused}

    plain = [left("a"), left("a")]
    assert _verdict(plain, [left("a"), left("a")]) is HARMLESS
    assert _verdict(plain, [left("a", "static_graph: refused")] * 2).kind == "named"
    assert _verdict(plain, [left("a"), left("b")]).what == "processes drift apart"
    assert _verdict(plain, [left("b"), left("b")]).what == "parameters differ"
    assert _verdict(plain, "killed").kind == "fault"


def test_random_models_agree_with_the_loop_and_a_wrong_engine_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "fault" not in kinds(exactness.exactness(3, seed=0))
    plain = nn.Linear.forward

    def wrong(self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """Another function each time that it is measured."""
        return plain(self, x) * random.uniform(1.0, 2.0)

    monkeypatch.setattr(nn.Linear, "forward", wrong)
    assert "fault" in kinds(exactness.exactness(3, seed=0))


def test_the_command_prints_a_line_a_part_and_knows_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--share", "0.004", "--parts", "exactness"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["exactness", "2", "tried"]
    with pytest.raises(SystemExit):
        main(["--parts", "x"])
    assert "expected some of kills, mutations" in capsys.readouterr().err
