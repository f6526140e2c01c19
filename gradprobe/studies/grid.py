"""The one runner of all studies: cells side by side, kept one by one, resumed where an earlier call ended."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from gradprobe.errors import TrainingError, reason_for
from gradprobe.records.cell import CellFailure, CellProgress, CellStamp, stamp_files
from gradprobe.records.lock import Lock, locked
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Result, read_record, write_record
from gradprobe.records.study import StoredStudy, read_cells
from gradprobe.records.writing import write_atomically
from gradprobe.studies.collect import write_results
from gradprobe.studies.desk import Desk
from gradprobe.studies.opening import open_folder, set_aside
from gradprobe.studies.parallel import check_jobs, side_by_side
from gradprobe.studies.plan import Plan, Work

M = TypeVar("M", bound=Manifest)
K = TypeVar("K", bound=Key)
R = TypeVar("R", bound=Result)
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class GridProgress:
    """How far a grid has come: cells that ended and all cells asked for; `running` by their identifiers."""

    ended: int
    cells: int
    running: Mapping[str, CellProgress] = field(default_factory=dict)


Watch = Callable[[GridProgress], None]


@dataclass(frozen=True)
class Failure(Generic[K]):
    """A cell asked for that could not finish, with the reason."""

    key: K
    error: str


@dataclass(frozen=True, eq=False)
class Outcome(Generic[M, K, R]):
    """How a call ended: the study as it lies on disk, and which of the cells asked for failed.

    `notes` are sentences about what was met in the folder and about what is in it now.
    """

    study: StoredStudy[M, R]
    failures: tuple[Failure[K], ...]
    notes: tuple[str, ...]

    @property
    def finished(self) -> int:
        """Finished cells of the whole study."""
        return len(self.study.results)


def run_study(
    plan: Plan[M, K, R],
    *,
    jobs: int = 0,
    watch: Watch | None = None,
    backend: str = "loky",
    scheduler: str | None = None,
    shared_disk: bool = True,
) -> Outcome[M, K, R]:
    """Run the cells asked for that have not finished yet, and read all of the study.

    A cell uses one thread and its own seed, so results do not depend on `jobs`. A cell that fails is recorded
    with its reason and the others run all the same; a later call tries it again. results.csv grows with each
    cell that ends. A damaged cell is moved to set-aside/ and runs again.

    Args:
        plan: the study, from one of the `plan_...` functions.
        jobs: cells side by side (0: one a core).
        watch: called with the progress about twice a second, and at the end.
        backend: a backend of joblib.
        scheduler: the address of dask's scheduler.
        shared_disk: whether cells can write in the study's folder; otherwise what they leave comes back with
            their result.

    Raises:
        InputError: a negative number of jobs, or another process writes the folder.
        TrainingError: a process was killed from outside, or the folder cannot be written any more; finished
            cells are kept.
        MissingExtraError: joblib is not installed.
    """
    check_jobs(jobs)
    with _disk_faults_named(plan.folder.path), locked(plan.folder.lock, run=plan.run) as lock:
        manifest, notes = open_folder(plan.folder, plan.kind, plan.manifest)
        study = read_cells(plan.folder, manifest)
        keeper = _Keeper(plan, study)
        notes = tuple(dict.fromkeys([*plan.notes, *notes, *keeper.set_damaged_aside()]))
        pending = keeper.pending()
        with _watching(keeper, lock, watch):
            if pending:
                cell = _Cell.of(plan, shared_disk=shared_disk)
                if shared_disk:
                    plan.work.prepare(cell.cache)
                for ended in side_by_side(cell, pending, jobs=jobs, backend=backend, scheduler=scheduler):
                    keeper.keep(ended)
        keeper.collect()
        study = read_cells(plan.folder, manifest)
    asked = set(plan.cells)
    failures = tuple(
        Failure(cell.key, cell.problem)
        for cell in study.cells
        if cell.key in asked and cell.state in ("failed", "damaged")
    )
    return Outcome(study, failures, tuple(dict.fromkeys([*notes, *study.notes])))


@dataclass(frozen=True)
class _Ended(Generic[K, R]):
    """What a cell gives back: its result or the reason why there is none, and files if no disk is shared."""

    key: K
    result: R | None
    error: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cell(Generic[K, R]):
    """Runs one cell wherever it is called."""

    work: Work[K, R]
    cells: Path
    lock: Path
    cache: Path
    stamp: CellStamp
    shared_disk: bool

    @classmethod
    def of(cls, plan: Plan[Any, K, R], *, shared_disk: bool) -> _Cell[K, R]:
        folder, manifest = plan.folder, plan.manifest
        stamp = CellStamp(study=manifest.digest, cell="", run=plan.run, versions=manifest.versions)
        # Cells run in processes that may have another working directory.
        place = folder.path.absolute()
        return cls(plan.work, place / "cells", place / folder.lock.name, place / "cache", stamp, shared_disk)

    def __call__(self, key: K) -> _Ended[K, R]:
        if self.shared_disk:
            return self._run(key, self._desk_in_folder(key))
        with tempfile.TemporaryDirectory() as scratch:
            ended = self._run(key, Desk(Path(scratch)))
            return _Ended(key, ended.result, ended.error, _packed(Path(scratch)))

    def _run(self, key: K, desk: Desk) -> _Ended[K, R]:
        try:
            return _Ended(key, self.work(key, desk))
        except Exception as error:  # the other cells run all the same, and the reason is kept
            return _Ended(key, None, reason_for(error))

    def _desk_in_folder(self, key: K) -> Desk:
        place = self.cells / key.id
        desk = Desk(place, self.cache, self.lock, self.stamp.run)
        desk.check_owner()
        _clear(place)
        write_record(place / "cell.json", self.stamp.model_copy(update={"cell": key.id}), durable=False)
        return desk


class _Keeper(Generic[M, K, R]):
    """Keeps what cells give back, in the folder that this process has locked."""

    def __init__(self, plan: Plan[M, K, R], study: StoredStudy[M, R]) -> None:
        self._plan = plan
        self._manifest = study.manifest
        self._cells = study.cells
        self._results: dict[Any, R] = study.results
        self.ended = sum(key in self._results for key in plan.cells)
        self.collect()

    def set_damaged_aside(self) -> Iterator[str]:
        """Move the damaged cells among those asked for out of the way; yields a sentence about each."""
        asked = set(self._plan.cells)
        for cell in self._cells:
            if cell.key in asked and cell.state == "damaged":
                place = set_aside(self._plan.folder, cell.key.id)
                yield f"{cell.key.id} runs again: {cell.problem}; what it had is in {place}"

    def pending(self) -> list[K]:
        """The cells asked for that have not finished, in the order in which they start."""
        return [key for key in self._plan.cells if key not in self._results]

    def keep(self, ended: _Ended[K, R]) -> None:
        """Write what a cell gave back: its result first, then the stamp that makes it count."""
        folder, key = self._plan.folder, ended.key
        place = folder.cell(key)
        for name, content in ended.files.items():
            write_atomically(place / name, content, within=folder.path)
        self.ended += 1
        if ended.result is None:
            write_record(place / "failed.json", CellFailure(error=ended.error), within=folder.path)
            return
        write_record(place / self._plan.kind.file, ended.result, within=folder.path)
        manifest = self._plan.manifest
        stamp = CellStamp(
            study=manifest.digest,
            cell=key.id,
            run=self._plan.run,
            versions=manifest.versions,
            files=stamp_files(place),
        )
        write_record(place / "cell.json", stamp, within=folder.path)
        (place / "failed.json").unlink(missing_ok=True)
        self._results[key] = ended.result
        self.collect()

    def collect(self) -> None:
        """Write results.csv from all cells that have finished."""
        order = (cell.key for cell in self._cells)
        results = [self._results[key] for key in order if key in self._results]
        write_results(self._plan.folder, self._manifest, self._plan.kind.result.columns, results)

    def progress(self) -> GridProgress:
        """How far the cells asked for have come."""
        running = {}
        for key in self._plan.cells:
            if key not in self._results:
                progress = read_record(self._plan.folder.cell(key) / "progress.json", CellProgress)
                if progress is not None:
                    running[key.id] = progress
        return GridProgress(self.ended, len(self._plan.cells), running)


@contextmanager
def _watching(keeper: _Keeper[M, K, R], lock: Lock, watch: Watch | None) -> Iterator[None]:
    """Show progress and give signs of life while a block runs."""
    over = threading.Event()

    def poll() -> None:
        while not over.wait(_POLL_SECONDS):
            lock.sign()
            if watch is not None:
                watch(keeper.progress())

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if watch is not None:
            watch(keeper.progress())


@contextmanager
def _disk_faults_named(folder: Path) -> Iterator[None]:
    """One sentence with the remedy where the folder cannot be written, as when the disk is full."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"out: {folder} cannot be written ({os.strerror(error.errno or 0)}); cells that finished are "
            "kept: make room or put the folder back, and run the same command again"
        ) from error


def _clear(place: Path) -> None:
    """Remove what an earlier call left of a cell; a link is removed, not what it leads to."""
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place, ignore_errors=True)


def _packed(place: Path) -> dict[str, bytes]:
    """The files of a cell that ran on another machine, but for its progress."""
    files = (path for path in sorted(place.rglob("*")) if path.is_file() and path.name != "progress.json")
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}
