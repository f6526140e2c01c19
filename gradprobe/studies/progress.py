"""Progress bars of studies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradprobe.studies.grid import GridProgress, Watch


@contextmanager
def progress_bars(console: Console) -> Iterator[Watch]:
    """Bars over the cells of a study and over their epochs; yields what `run_study` calls."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    ) as bars:
        over_cells = bars.add_task("cells", total=None, note="preparing")
        over_epochs = bars.add_task("epochs", total=None, note="", visible=False)

        def watch(now: GridProgress) -> None:
            running = list(now.running.items())
            note = ", ".join(f"{name} {cell.epoch + 1}/{cell.epochs}" for name, cell in running[-2:])
            bars.update(over_cells, completed=now.ended, total=now.cells, note="")
            epochs = max((cell.epochs for _, cell in running), default=0)
            if epochs:
                done = now.ended * epochs + sum(cell.epoch + 1 for _, cell in running)
                total = now.cells * epochs
                bars.update(over_epochs, completed=min(done, total), total=total, note=note, visible=True)

        yield watch
