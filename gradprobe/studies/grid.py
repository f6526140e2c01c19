"""A grid of runs of any kind: run side by side, kept one by one, gone on with where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from gradprobe.errors import InputError, reason_for
from gradprobe.records.compare import read_record, write_record
from gradprobe.studies.parallel import check_jobs, side_by_side
from gradprobe.studies.versions import versions

_PACKAGES = ("gradprobe", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


class GridKey(Protocol):
    """What names one cell of a grid: a frozen pydantic model whose `id` can name a folder."""

    @property
    def id(self) -> str:
        """The name of the cell's folder, different for different cells."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The fields, as pydantic gives them."""


K = TypeVar("K", bound=GridKey)
R = TypeVar("R", bound=BaseModel)
# Called with the number of cells that ended and of all cells.
GridWatch = Callable[[int, int], None]


class GridManifest(BaseModel):
    """What grid.json holds: what the cells have in common, how it was asked for, and with what."""

    model_config = ConfigDict(frozen=True)

    format: Literal["gradprobe grid"] = "gradprobe grid"
    schema_version: int = 1
    digest: str
    identity: dict[str, Any]
    command: str
    versions: dict[str, str]


class GridFailure(BaseModel):
    """Why a cell did not finish."""

    model_config = ConfigDict(frozen=True)

    error: str


@dataclass(frozen=True)
class GridOutcome(Generic[K, R]):
    """What the cells found that have finished, and why others did not."""

    results: Mapping[K, R]
    failures: Mapping[K, str]


def run_grid(
    folder: Path,
    *,
    identity: Mapping[str, object],
    keys: Sequence[K],
    work: Callable[[K], R],
    result: type[R],
    jobs: int = 0,
    watch: GridWatch | None = None,
) -> GridOutcome[K, R]:
    """Run the cells that have not finished yet, `jobs` at a time (0: one a core), and read all of them.

    Args:
        folder: where grid.json and cells/<id>/result.json are written; a grid of the same identity
            goes on there, with other cells too.
        identity: everything besides its key that a cell's result depends on, such as the data and the
            options; values that JSON can hold.
        keys: the cells, in the order in which they start.
        work: runs one cell in one thread; a picklable function. What it raises is recorded and the
            other cells go on; a later call tries again.
        result: the record that `work` returns.
        jobs: cells side by side; results must not depend on it.
        watch: called with the number of finished cells and of all cells, at the start and after each.

    Raises:
        InputError: the folder holds another grid or cannot be written, or `jobs` is negative.
        TrainingError: a process was killed from outside; finished cells are kept.
    """
    check_jobs(jobs)
    _open(folder, identity)
    results = {key: found for key in keys if (found := read_record(_result(folder, key), result))}
    failures: dict[K, str] = {}
    pending = [key for key in keys if key not in results]
    if watch is not None:
        watch(len(results), len(keys))
    for key, outcome in side_by_side(_Cell(folder, work), pending, jobs=jobs):
        if isinstance(outcome, str):
            failures[key] = outcome
        else:
            results[key] = outcome
        if watch is not None:
            watch(len(results) + len(failures), len(keys))
    ordered = {key: results[key] for key in keys if key in results}
    return GridOutcome(ordered, {key: failures[key] for key in keys if key in failures})


@dataclass(frozen=True)
class _Cell(Generic[K, R]):
    """Runs one cell and keeps its result, or the reason why there is none."""

    folder: Path
    work: Callable[[K], R]

    def __call__(self, key: K) -> tuple[K, R | str]:
        place = _result(self.folder, key).parent
        shutil.rmtree(place, ignore_errors=True)
        try:
            found = self.work(key)
        except Exception as error:  # the other cells go on, and the reason is kept
            reason = reason_for(error)
            write_record(place / "failed.json", GridFailure(error=reason))
            return key, reason
        write_record(place / "result.json", found)
        return key, found


def _result(folder: Path, key: GridKey) -> Path:
    return folder / "cells" / key.id / "result.json"


def _open(folder: Path, identity: Mapping[str, object]) -> None:
    text = json.dumps(identity, sort_keys=True)
    wanted = GridManifest(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        identity=json.loads(text),
        command=" ".join(sys.argv),
        versions=versions(_PACKAGES),
    )
    found = read_record(folder / "grid.json", GridManifest)
    if found is not None and found.digest != wanted.digest:
        names = sorted(found.identity.keys() | wanted.identity.keys())
        changed = [name for name in names if found.identity.get(name) != wanted.identity.get(name)]
        raise InputError(
            f"out: expected a new folder or the same runs, got {folder}, whose runs differ in "
            f"{', '.join(changed)}; name another folder with --out"
        )
    try:
        write_record(folder / "grid.json", wanted)
    except OSError as error:
        raise InputError(
            f"out: expected a folder that can be written, got {folder} ({error.strerror})"
        ) from error
