"""What commands share that run cells and report them: bars, a way to stop, the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gradprobe.commands.console import SafeConsole

if TYPE_CHECKING:
    from gradprobe.records.study import StoredStudy
    from gradprobe.reports import Loaded
    from gradprobe.studies.plan import Plan

Finish = Callable[["StoredStudy[Any, Any]"], None]


def run_and_report(
    plan: Plan[Any, Any, Any],
    jobs: int,
    *,
    finish: Finish | None = None,
    strict: bool = True,
    backend: str = "loky",
    scheduler: str | None = None,
) -> None:
    """Run a study with bars on the screen, then show and write its report from what lies in its folder.

    Ctrl-C ends the command and says how to resume. `finish` adds to the folder before the report. Cells that
    fail are named, and the command ends with exit code 1: after any failure if `strict`, else only where no
    cell has finished. `backend` is joblib's, `scheduler` the address of dask's; on any backend but `loky`
    cells may run on other machines, so what they leave comes back with their result.
    """
    from gradprobe.reports import load
    from gradprobe.studies.grid import run_study
    from gradprobe.studies.progress import progress_bars

    console = SafeConsole()
    try:
        with progress_bars(console) as watch:
            outcome = run_study(
                plan,
                jobs=jobs,
                watch=watch,
                backend=backend,
                scheduler=scheduler,
                shared_disk=backend == "loky",
            )
    except KeyboardInterrupt:
        console.print("\ninterrupted; run the same command again to resume")
        sys.exit(130)
    if finish is not None:
        finish(outcome.study)
    for note in outcome.notes:
        if note not in outcome.study.notes:  # those stand in the report
            console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    failures = {failure.key.id: failure.error for failure in outcome.failures}
    publish(load(plan.folder.path), failures, console)
    if failures if strict else not outcome.finished:
        sys.exit(1)


def publish(loaded: Loaded, failures: Mapping[str, str], console: Console) -> None:
    """Show a report, write it, and name the cells that failed."""
    from gradprobe.reports import report, show

    # Files first: what a terminal cannot show must not cost the report.
    written = report(loaded)
    console.print(show(loaded))
    console.print(f"report: {written}", soft_wrap=True, highlight=False, markup=False)
    for name, reason in failures.items():
        console.print(f"failed: {name}: {reason}", soft_wrap=True, highlight=False, markup=False)
