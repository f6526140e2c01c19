"""Running the cells of a study side by side, and going on where an earlier run stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from gradprobe.records.compare import CellFailure, CellKey, CellProgress, read_record
from gradprobe.studies.cell import is_finished, prepare_features, run_cell
from gradprobe.studies.collect import write_results
from gradprobe.studies.parallel import check_jobs, side_by_side
from gradprobe.studies.plan import Plan

_POLL_SECONDS = 0.5
Watch = Callable[[Sequence[CellProgress]], None]


@dataclass(frozen=True)
class Outcome:
    """How a study ended: cells that have finished, and those that could not, with the reason."""

    finished: int
    failures: tuple[CellFailure, ...]


def run_study(plan: Plan, *, jobs: int = 0, watch: Watch | None = None) -> Outcome:
    """Run every cell that has not finished yet, `jobs` at a time (0: one a core).

    A cell uses one thread and its own seed, so results do not depend on `jobs`. A cell that fails is
    recorded with its reason and the others go on; a later call tries it again. `watch` is called
    about twice a second with the progress of the cells.

    Raises:
        InputError: a negative number of jobs.
        TrainingError: a process that ran a cell was killed from outside; finished cells are kept.
        MissingExtraError: joblib is not installed.
    """
    check_jobs(jobs)
    pending = [key for key in plan.manifest.cells if not is_finished(plan, key)]
    write_results(plan.folder, plan.manifest)
    with _watching(plan, watch):
        if pending:
            prepare_features(plan)
            for _ in side_by_side(partial(run_cell, plan), pending, jobs=jobs):
                # The table of results grows with each cell that ends.
                write_results(plan.folder, plan.manifest)
    failures = (
        read_record(plan.folder.cell(key) / "failed.json", CellFailure) for key in plan.manifest.cells
    )
    return Outcome(
        finished=write_results(plan.folder, plan.manifest),
        failures=tuple(failure for failure in failures if failure is not None),
    )


def progress_of(plan: Plan) -> tuple[CellProgress, ...]:
    """How far each cell has come that has started."""
    found = (
        read_record(plan.folder.cell(key) / "progress.json", CellProgress) for key in plan.manifest.cells
    )
    return tuple(progress for progress in found if progress is not None)


@contextmanager
def _watching(plan: Plan, watch: Watch | None) -> Iterator[None]:
    if watch is None:
        yield
        return
    over = threading.Event()

    def poll() -> None:
        while not over.wait(_POLL_SECONDS):
            watch(progress_of(plan))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        watch(progress_of(plan))


__all__ = ["CellKey", "Outcome", "Watch", "progress_of", "run_study"]
