import json
import os
from functools import partial
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ConfigDict

from gradprobe.errors import InputError
from gradprobe.studies.grid import GridOutcome, run_grid


class Key(BaseModel):
    model_config = ConfigDict(frozen=True)
    number: int

    @property
    def id(self) -> str:
        return f"cell{self.number}"


class Found(BaseModel):
    square: float
    threads: int = 0
    process: int = 0


def square(key: Key, *, log: Path, broken: int = -1) -> Found:
    with log.open("a") as file:
        file.write(f"{key.number}\n")
    if key.number == broken:
        raise RuntimeError("no luck")
    return Found(square=key.number**2, threads=torch.get_num_threads(), process=os.getpid())


def run(folder: Path, count: int, *, jobs: int = 1, broken: int = -1, **identity: object) -> GridOutcome:
    return run_grid(
        folder,
        identity={"data": "karate", **identity},
        keys=[Key(number=number) for number in range(count)],
        work=partial(square, log=folder.parent / "log", broken=broken),
        result=Found,
        jobs=jobs,
    )


def ran(folder: Path) -> list[int]:
    return [int(line) for line in (folder.parent / "log").read_text().split()]


def test_every_cell_runs_once_and_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = run(folder, 3)
    assert [found.square for found in first.results.values()] == [0, 1, 4]
    assert run(folder, 3) == first
    assert ran(folder) == [0, 1, 2]


def test_a_grid_goes_on_with_more_cells(tmp_path: Path) -> None:
    run(tmp_path / "out", 2)
    assert len(run(tmp_path / "out", 4).results) == 4
    assert ran(tmp_path / "out") == [0, 1, 2, 3]


def test_a_cell_that_fails_leaves_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    outcome = run(folder, 3, broken=1)
    assert outcome.failures == {Key(number=1): "RuntimeError: no luck"}
    assert [key.number for key in outcome.results] == [0, 2]
    assert "no luck" in (folder / "cells" / "cell1" / "failed.json").read_text()
    assert not run(folder, 3).failures
    assert not (folder / "cells" / "cell1" / "failed.json").exists()
    assert ran(folder) == [0, 1, 2, 1]


def test_half_a_result_counts_as_none(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(folder, 1)
    (folder / "cells" / "cell0" / "result.json").write_text('{"squ')
    assert run(folder, 1).results[Key(number=0)].square == 0
    assert ran(folder) == [0, 0]


def test_cells_side_by_side_use_one_thread_each_and_keep_their_order(tmp_path: Path) -> None:
    outcome = run(tmp_path / "out", 4, jobs=2)
    assert [found.square for found in outcome.results.values()] == [0, 1, 4, 9]
    assert {found.threads for found in outcome.results.values()} == {1}
    assert os.getpid() not in {found.process for found in outcome.results.values()}


def test_a_folder_of_other_runs_is_refused_by_what_differs(tmp_path: Path) -> None:
    run(tmp_path / "out", 1, epochs=3)
    with pytest.raises(InputError, match="whose runs differ in epochs"):
        run(tmp_path / "out", 1, epochs=4)


def test_the_description_says_what_the_runs_have_in_common(tmp_path: Path) -> None:
    run(tmp_path / "out", 1, epochs=3)
    described = json.loads((tmp_path / "out" / "grid.json").read_text())
    assert described["identity"] == {"data": "karate", "epochs": 3}
    assert "torch" in described["versions"]


def test_bad_arguments_are_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        run(tmp_path / "file" / "out", 1)
    with pytest.raises(InputError, match="jobs: expected"):
        run(tmp_path / "out", 1, jobs=-1)
    assert not (tmp_path / "log").exists()
