"""What commands share that run cells and report them: a bar, a way to stop, the page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    from gradprobe.reports.kit.page import Page
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


def publish(page: Page, folder: Path, failures: Mapping[str, str], console: Console) -> None:
    """Show a page, write it, and name the cells that failed; with any, the command ends with exit code 1."""
    from gradprobe.reports.kit.page import show_page, write_page

    console.print(show_page(page))
    console.print(f"report: {write_page(page, folder)}", soft_wrap=True, highlight=False, markup=False)
    for name, reason in failures.items():
        console.print(f"failed: {name}: {reason}", soft_wrap=True, highlight=False, markup=False)
    if failures:
        sys.exit(1)
