"""One runner for every kind of study: what is kept, resumed, refused, named."""

import csv
import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from gradprobe.errors import InputError, TrainingError
from gradprobe.records.kinds import KINDS, Kind
from gradprobe.records.lock import Writer, locked
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Result, write_record
from gradprobe.records.study import read_study
from gradprobe.studies import Outcome, Plan, run_study
from gradprobe.studies.desk import Desk
from gradprobe.studies.opening import Compatible
from gradprobe.studies.plan import plan_cells


class Number(Key):
    number: int

    @property
    def id(self) -> str:
        return f"n{self.number}-seed{self.seed}"


class Square(Result):
    columns: ClassVar[tuple[str, ...]] = ("cell", "square")
    key: Number
    square: float
    threads: int
    process: int

    def rows(self) -> Iterator[dict[str, Any]]:
        yield {"cell": self.key.id, "square": self.square, "seconds": 1.0}


class Numbers(Manifest):
    cells: tuple[Number, ...]


@dataclass(frozen=True)
class Squaring:
    log: Path
    broken: int = -1
    seconds: float = 0.0

    def prepare(self, cache: Path) -> None:
        cache.mkdir(exist_ok=True)

    def __call__(self, key: Number, desk: Desk) -> Square:
        with self.log.open("a") as file:
            file.write(f"{key.number}\n")
        desk.trace.mkdir()
        (desk.trace / "header.json").write_text(f"{key.number}")
        desk.progress(0, 2, loss=float("nan"))
        time.sleep(self.seconds)
        if key.number == self.broken:
            raise RuntimeError("no luck")
        return Square(key=key, square=key.number**2, threads=torch.get_num_threads(), process=os.getpid())


SQUARES = Kind("squares", Numbers, Square)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "squares", SQUARES)


def keys(*numbers: int, seeds: int = 1) -> list[Number]:
    return [Number(number=number, seed=seed) for seed in range(seeds) for number in numbers]


def plan(folder: Path, cells: list[Number], *, broken: int = -1, **identity: object) -> Plan:
    return plan_cells(
        SQUARES,
        folder,
        identity={"data": "karate", **identity},
        options={"cells": len(cells)},
        cells=cells,
        work=Squaring(folder.parent / "log", broken),
        packages=("gradprobe", "torch"),
        command=["squares"],
    )


def run(folder: Path, *numbers: int, jobs: int = 1, **more: Any) -> Outcome:
    return run_study(plan(folder, keys(*numbers), **more), jobs=jobs)


def squares(outcome: Outcome) -> dict[int, float]:
    return {key.number: result.square for key, result in outcome.study.results.items()}


def ran(folder: Path) -> list[int]:
    return [int(line) for line in (folder.parent / "log").read_text().split()]


def states(folder: Path) -> dict[int, str]:
    return {cell.key.number: cell.state for cell in read_study(folder).cells}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_cell_runs_once_and_is_read_again(folder: Path) -> None:
    assert squares(run(folder, 0, 1, 2)) == {0: 0, 1: 1, 2: 4}
    assert squares(run(folder, 0, 1, 2)) == {0: 0, 1: 1, 2: 4}
    assert ran(folder) == [0, 1, 2]


def test_a_study_asked_for_fewer_cells_keeps_all_that_it_has(folder: Path) -> None:
    run(folder, 3, 1, 2)
    before = (folder / "results.csv").read_bytes()
    outcome = run(folder, 1)
    assert squares(outcome) == {3: 9, 1: 1, 2: 4}
    assert [key.number for key in outcome.study.manifest.cells] == [3, 1, 2]
    assert (folder / "results.csv").read_bytes() == before
    assert ran(folder) == [3, 1, 2]


def test_more_cells_and_seeds_join_those_that_are_there(folder: Path) -> None:
    run(folder, 3, 1)
    outcome = run_study(plan(folder, keys(1, 2, seeds=2)), jobs=1)
    assert [key.id for key in outcome.study.manifest.cells] == [
        "n3-seed0",
        "n1-seed0",
        "n2-seed0",
        "n1-seed1",
        "n2-seed1",
    ]
    assert outcome.finished == 5


def test_results_have_one_row_a_finished_cell_without_timings(folder: Path) -> None:
    run(folder, 2, 3, broken=3)
    with (folder / "results.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"cell": "n2-seed0", "square": "4.0"}]


def test_a_failure_is_kept_with_its_reason_and_goes_when_the_cell_succeeds(folder: Path) -> None:
    outcome = run(folder, 0, 1, 2, broken=1)
    assert [(failure.key.number, failure.error) for failure in outcome.failures] == [
        (1, "RuntimeError: no luck")
    ]
    assert states(folder) == {0: "finished", 1: "failed", 2: "finished"}
    assert not run(folder, 0, 1, 2).failures
    assert not list(folder.glob("cells/*/failed.json"))


@pytest.mark.parametrize("full", ["result.json", "failed.json", "cell.json", "results.csv"])
def test_a_disk_that_fills_up_is_one_sentence_and_keeps_finished_cells(
    folder: Path, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, 0)
    replace = Path.replace

    def fail(source: Path, target: Path) -> Path:
        if Path(target).name == full and (full == "results.csv" or "n1-" in str(target)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(source, target)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "replace", fail)
        with pytest.raises(TrainingError, match=r"cannot be written \(No space left on device\); cells that"):
            run(folder, 0, 1, broken=1 if full == "failed.json" else -1)
    assert squares(run(folder, 0, 1)) == {0: 0.0, 1: 1.0}
    assert ran(folder).count(0) == 1


def test_an_old_failure_beside_a_result_counts_for_nothing(folder: Path) -> None:
    run(folder, 0)
    (folder / "cells/n0-seed0/failed.json").write_text('{"error": "old"}')
    assert not run(folder, 0).failures
    assert states(folder) == {0: "finished"}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda cell: (cell / "result.json").write_text('{"squ'), "result.json was changed"),
        (lambda cell: (cell / "result.json").unlink(), "result.json is missing"),
        (lambda cell: (cell / "cell.json").unlink(), "cell.json is missing"),
        (lambda cell: (cell / "cell.json").write_text("[]"), "expected the stamp of a cell"),
        (lambda cell: (cell / "cell.json").write_bytes(b"\xff"), "expected the stamp of a cell"),
        (
            lambda cell: shutil.copytree(cell.with_name("n2-seed0"), cell, dirs_exist_ok=True),
            "it is a copy of the cell 'n2-seed0'",
        ),
        (
            lambda cell: shutil.copy(cell.with_name("n2-seed0") / "result.json", cell / "result.json"),
            "result.json was changed",
        ),
    ],
)
def test_a_damaged_cell_is_named_left_out_and_run_again_and_what_it_had_is_kept(
    folder: Path, spoil: Any, problem: str
) -> None:
    run(folder, 1, 2)
    spoil(folder / "cells/n1-seed0")
    study = read_study(folder)
    assert {key.number: result.square for key, result in study.results.items()} == {2: 4}
    (words,) = study.problems().values()
    assert problem in words
    outcome = run(folder, 1, 2)
    assert squares(outcome) == {1: 1, 2: 4}
    assert any("n1-seed0 runs again" in note and problem in note for note in outcome.notes)
    assert (folder / "set-aside/n1-seed0-0").is_dir()


def test_one_changed_digit_of_a_result_is_noticed(folder: Path) -> None:
    run(folder, 3)
    path = folder / "cells/n3-seed0/result.json"
    path.write_text(path.read_text().replace("9.0", "8.0"))
    assert states(folder) == {3: "damaged"}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda trace: (trace / "header.json").write_text("2"), "trace/header.json was changed"),
        (lambda trace: (trace / "more.parquet").write_text("2"), "trace/more.parquet does not belong"),
    ],
)
def test_damage_to_a_trace_is_named_and_the_result_kept(folder: Path, spoil: Any, problem: str) -> None:
    run(folder, 3)
    spoil(folder / "cells/n3-seed0/trace")
    (cell,) = read_study(folder).cells
    assert cell.state == "finished"
    assert problem in cell.trace_problems[0]


@pytest.mark.parametrize("lost", [lambda path: path.unlink(), lambda path: path.write_text('{"format"')])
def test_without_its_manifest_a_study_keeps_its_own_cells_and_no_others(folder: Path, lost: Any) -> None:
    run(folder, 1, 2)
    lost(folder / "study.json")
    assert squares(run(folder, 2)) == {1: 1, 2: 4}
    lost(folder / "study.json")
    outcome = run(folder, 2, data="another")
    assert squares(outcome) == {2: 4}
    assert ran(folder) == [1, 2, 2]
    assert any("belong to another study" in note for note in outcome.notes)
    assert len(list((folder / "set-aside").iterdir())) == 2


def test_a_manifest_that_was_edited_is_refused_by_readers_and_made_good_by_the_same_study(
    folder: Path,
) -> None:
    run(folder, 1)
    content = json.loads((folder / "study.json").read_text())
    for name, value in (("options", {"cells": 9}), ("created", "x"), ("identity", {"data": "iris"})):
        (folder / "study.json").write_text(json.dumps({**content, name: value}))
        with pytest.raises(InputError, match=r"changed since .*same command again"):
            read_study(folder)
    assert squares(run(folder, 1)) == {1: 1}
    assert ran(folder) == [1]


@pytest.mark.parametrize("name", ["/etc", "../../outside", "..", "", "a/b", "a\\b", "a\x1b[2J"])
def test_a_manifest_cannot_lead_out_of_its_folder(folder: Path, name: str, monkeypatch: Any) -> None:
    run(folder, 1)
    monkeypatch.setattr(Number, "id", property(lambda self: name))
    with pytest.raises(InputError, match="cells: expected names of letters"):
        read_study(folder)


def test_links_out_of_the_folder_are_neither_read_nor_written_through(folder: Path, tmp_path: Path) -> None:
    run(folder, 1, 2)
    outside = tmp_path / "outside"
    shutil.move(folder / "cells/n1-seed0", outside)
    (folder / "cells/n1-seed0").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    assert states(folder) == {1: "damaged", 2: "finished"}
    run(folder, 1, 2)
    assert {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before
    shutil.move(folder / "cells", tmp_path / "elsewhere")
    (folder / "cells").symlink_to(tmp_path / "elsewhere")
    assert states(folder) == {1: "damaged", 2: "damaged"}
    with pytest.raises(InputError, match="got a link that leads out of it"):
        run(folder, 1, 2)


def test_folders_that_nobody_asked_for_are_named(folder: Path) -> None:
    run(folder, 1)
    shutil.copytree(folder / "cells/n1-seed0", folder / "cells/n1-seed0 (copy)")
    assert read_study(folder).notes == (
        "cells/n1-seed0 (copy) does not belong to this study and is left out",
    )


def test_cells_of_different_versions_are_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, 1, 2)
    monkeypatch.setattr("gradprobe.studies.plan.versions", lambda _: {"gradprobe": "9.9", "torch": "0.1"})
    outcome = run(folder, 1, 2, 3)
    assert any(
        "different versions of torch: 2 with" in note and "1 with 0.1" in note for note in outcome.notes
    )
    assert [call.versions["torch"] for call in outcome.study.manifest.calls][-1] == "0.1"
    assert len(outcome.study.manifest.calls) == 2
    assert outcome.study.manifest.created == read_study(folder).manifest.calls[0].started


def test_cells_side_by_side_use_one_thread_each_and_keep_their_order(folder: Path) -> None:
    results = run(folder, 3, 2, 1, 0, jobs=2).study.results
    assert [key.number for key in results] == [3, 2, 1, 0]
    assert {result.threads for result in results.values()} == {1}
    assert os.getpid() not in {result.process for result in results.values()}


def test_without_a_shared_disk_what_a_cell_leaves_comes_back_with_its_result(folder: Path) -> None:
    outcome = run_study(plan(folder, keys(1, 2), broken=2), jobs=1, shared_disk=False)
    assert squares(outcome) == {1: 1}
    assert (folder / "cells/n1-seed0/trace/header.json").read_text() == "1"
    assert states(folder) == {1: "finished", 2: "failed"}


def test_a_folder_of_another_study_is_refused_by_what_differs(folder: Path) -> None:
    run(folder, 1, epochs=3)
    before = (folder / "study.json").read_bytes()
    with pytest.raises(InputError, match="whose study differs in the data, epochs; name another folder"):
        plan(folder, keys(1), data="iris", epochs=4)
    assert (folder / "study.json").read_bytes() == before


def test_a_second_process_is_refused_and_told_who_writes(folder: Path) -> None:
    run(folder, 1)
    with (
        locked(folder / "study.lock", run="other"),
        pytest.raises(
            InputError, match=rf"written by process {os.getpid()} of .* on .* since .* s ago; wait"
        ),
    ):
        run(folder, 1)
    assert squares(run(folder, 1)) == {1: 1}


def test_the_lock_of_a_dead_process_is_taken_over(folder: Path) -> None:
    run(folder, 1)
    code = "import sys, os; from pathlib import Path; from gradprobe.records.lock import locked\n"
    code += "with locked(Path(sys.argv[1]), run='x'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(folder / "study.lock")], check=False)
    assert (folder / "study.lock").exists()
    assert squares(run(folder, 1, 2)) == {1: 1, 2: 4}
    assert not (folder / "study.lock").exists()


def test_a_lock_from_another_machine_holds_until_it_is_stale(folder: Path) -> None:
    run(folder, 1)
    lock = folder / "study.lock"
    elsewhere = Writer(owner="ann", host=f"not-{socket.gethostname()}", pid=1, since="then", run="r")
    write_record(lock, elsewhere)
    with pytest.raises(InputError, match="process 1 of ann on not-"):
        run(folder, 1)
    os.utime(lock, (time.time() - 3600,) * 2)
    assert squares(run(folder, 1)) == {1: 1}


def test_a_forgotten_cell_does_not_write_into_a_new_run(folder: Path, tmp_path: Path) -> None:
    run(folder, 1)
    with locked(folder / "study.lock", run="new"):
        desk = Desk(tmp_path / "cell", lock=folder / "study.lock", run="old")
        with pytest.raises(Exception, match="another run has taken over"):
            desk.progress(0, 1)
    assert not (tmp_path / "cell").exists()


def test_progress_counts_what_ended_and_names_what_runs(folder: Path) -> None:
    seen = []
    run_study(plan(folder, keys(1, 2)), jobs=1, watch=seen.append)
    assert (seen[-1].ended, seen[-1].cells, seen[-1].running) == (2, 2, {})


_ORPHANS = """
import sys
from pathlib import Path
from gradprobe.studies.parallel import side_by_side

def work(name):
    import os, time
    Path(sys.argv[1], f"pid-{os.getpid()}").touch()
    time.sleep(60)

if __name__ == "__main__":
    list(side_by_side(work, ["a", "b"], jobs=2))
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_end_soon_after_their_parent_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(_ORPHANS)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("pid-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert len(workers) == 2
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_bad_arguments_are_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        run(tmp_path / "file" / "out", 1)
    with pytest.raises(InputError, match="jobs: expected"):
        run(tmp_path / "out", 1, jobs=-1)
    assert not (tmp_path / "log").exists()


def as_version_0_1_0(folder: Path, **identity: object) -> None:
    """Turn a study's folder into what version 0.1.0 would have left: grid.json, and no checksums."""
    content: dict[str, Any] = {"study": "squares", "data": "karate", **identity}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    older = {"format": "gradprobe grid", "schema_version": 1, "digest": digest, "identity": content}
    versions = {"torch": "1.13.0"}
    (folder / "grid.json").write_text(
        json.dumps({**older, "command": "gradprobe squares", "versions": versions})
    )
    (folder / "study.json").unlink()
    for stamp in folder.glob("cells/*/cell.json"):
        stamp.unlink()


def test_a_grid_of_version_0_1_0_is_resumed_and_gets_checksums(folder: Path) -> None:
    run(folder, 2, 1)
    as_version_0_1_0(folder)
    with pytest.raises(InputError, match=r"run its command again \(gradprobe squares\)"):
        read_study(folder)
    outcome = run(folder, 2, 1, 3)
    assert squares(outcome) == {2: 4, 1: 1, 3: 9}
    assert ran(folder) == [2, 1, 3]
    assert any("2 with 1.13.0" in note for note in outcome.notes)
    (folder / "cells/n1-seed0/result.json").write_text("{}")
    assert states(folder) == {2: "finished", 1: "damaged", 3: "finished"}


def test_a_grid_of_version_0_1_0_with_other_options_or_changed_ones_is_refused(folder: Path) -> None:
    run(folder, 1)
    as_version_0_1_0(folder, epochs=3)
    with pytest.raises(InputError, match="whose study differs in epochs"):
        run(folder, 1)
    text = (folder / "grid.json").read_text()
    (folder / "grid.json").write_text(text.replace('"epochs": 3', '"epochs": 4'))
    with pytest.raises(InputError, match="changed after it was written"):
        run(folder, 1, epochs=4)
    assert ran(folder) == [1]


def test_an_option_that_came_later_is_taken_as_its_default_in_older_folders(folder: Path) -> None:
    run(folder, 1)
    more = {
        "options": {},
        "cells": keys(1, 2),
        "work": Squaring(folder.parent / "log"),
        "packages": ("torch",),
        "compatible": Compatible(defaults={"power": 2}, aliases={"data": "karate"}),
    }
    with pytest.raises(InputError, match="whose study differs in power"):
        plan_cells(SQUARES, folder, identity={"data": "by another name", "power": 3}, **more)
    outcome = run_study(plan_cells(SQUARES, folder, identity={"data": "x", "power": 2}, **more), jobs=1)
    assert squares(outcome) == {1: 1, 2: 4}
    assert ran(folder) == [1, 2]
    assert states(folder) == {1: "finished", 2: "finished"}
