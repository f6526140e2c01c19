"""What commands share that run cells and report them: a bar, a way to stop, the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    from gradprobe.reports import Loaded
    from gradprobe.studies.grid import Watch

_T = TypeVar("_T")


def run_with_bar(run: Callable[[Watch], _T], console: Console) -> _T:
    """What `run` returns, called with what moves a bar; Ctrl-C ends the command and says how to go on."""
    from gradprobe.studies.progress import progress_bars

    try:
        with progress_bars(console) as watch:
            return run(watch)
    except KeyboardInterrupt:
        console.print("\ninterrupted; run the same command again to resume")
        sys.exit(130)


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
