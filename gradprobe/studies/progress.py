"""Progress bars of studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradprobe.records.compare import CellProgress
from gradprobe.studies.cell import is_finished
from gradprobe.studies.grid import GridWatch
from gradprobe.studies.plan import Plan
from gradprobe.studies.run import Watch


@contextmanager
def progress_bars(plan: Plan, console: Console) -> Iterator[Watch]:
    """Bars over cells and over all their epochs; yields what `run_study` calls with the cells' progress."""
    cells, epochs = plan.manifest.cells, plan.config.epochs
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    ) as bars:
        over_cells = bars.add_task("cells", total=len(cells), note="featurising")
        over_epochs = bars.add_task("epochs", total=len(cells) * epochs, note="")

        def watch(progress: Sequence[CellProgress]) -> None:
            finished = {key for key in cells if is_finished(plan, key)}
            done = sum(entry.epoch + 1 for entry in progress if entry.key not in finished)
            running = [entry for entry in progress if entry.key not in finished]
            note = ", ".join(f"{entry.key.id} {entry.epoch + 1}/{entry.epochs}" for entry in running[-2:])
            bars.update(over_cells, completed=len(finished), note="")
            bars.update(over_epochs, completed=done + len(finished) * epochs, note=note)

        yield watch


@contextmanager
def grid_bar(console: Console) -> Iterator[GridWatch]:
    """A bar over the cells of a grid for the duration of a block; yields what `run_grid` calls."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bars:
        over_cells = bars.add_task("cells", total=None)
        yield lambda done, total: bars.update(over_cells, completed=done, total=total)
