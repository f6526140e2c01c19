"""What commands share that run cells and report them: a bar, a way to stop, the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Result

if TYPE_CHECKING:
    from gradprobe.reports import Loaded
    from gradprobe.studies import Outcome, Plan

M = TypeVar("M", bound=Manifest)
K = TypeVar("K", bound=Key)
R = TypeVar("R", bound=Result)


def run_with_bars(plan: Plan[M, K, R], jobs: int, console: Console) -> Outcome[M, K, R]:
    """Run a study with its progress shown, then its notes; Ctrl-C ends the command and says how to resume."""
    from gradprobe.studies import run_study
    from gradprobe.studies.progress import progress_bars

    try:
        with progress_bars(console) as watch:
            outcome = run_study(plan, jobs=jobs, watch=watch)
    except KeyboardInterrupt:
        console.print("\ninterrupted; run the same command again to resume")
        sys.exit(130)
    for note in outcome.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    return outcome


def publish(
    loaded: Loaded, failures: Mapping[str, str], console: Console, *, finished: int | None = None
) -> None:
    """Show a report, write it, and name the cells that failed.

    With a failure the command ends with exit code 1; where the number of `finished` cells is given, only if
    there are none.
    """
    from gradprobe.reports import report, show

    console.print(show(loaded))
    console.print(f"report: {report(loaded)}", soft_wrap=True, highlight=False, markup=False)
    for name, reason in failures.items():
        console.print(f"failed: {name}: {reason}", soft_wrap=True, highlight=False, markup=False)
    if failures if finished is None else not finished:
        sys.exit(1)
