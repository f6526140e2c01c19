"""Where a cell works: what it may write, and how it shows how far it has come."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from gradprobe.errors import TrainingError
from gradprobe.records.cell import CellProgress
from gradprobe.records.lock import Writer
from gradprobe.records.record import read_record, write_record

# Writing progress more often would only wear the disk.
_PROGRESS_SECONDS = 0.5


@dataclass
class Desk:
    """The place of one running cell.

    Attributes:
        folder: where the cell may leave files that belong to its result, such as a trace.
        cache: where `Work.prepare` left what cells share; None where no disk is shared with it.
        lock: the study's lock, where this machine can see it.
        run: the run that the cell belongs to.
    """

    folder: Path
    cache: Path | None = None
    lock: Path | None = None
    run: str = ""
    _written: float = field(default=-math.inf, repr=False)

    @property
    def trace(self) -> Path:
        """The folder for the cell's trace."""
        return self.folder / "trace"

    def progress(self, epoch: int, epochs: int, step: int | None = None, loss: float | None = None) -> None:
        """Show how far the cell has come, at most twice a second.

        Raises:
            TrainingError: another run has taken over the folder; this one must not write there any more.
        """
        now = time.monotonic()
        if now - self._written >= _PROGRESS_SECONDS:
            self._written = now
            self.check_owner()
            known = loss if loss is not None and math.isfinite(loss) else None
            record = CellProgress(epoch=epoch, epochs=epochs, step=step, loss=known)
            write_record(self.folder / "progress.json", record, durable=False)

    def check_owner(self) -> None:
        """Refuse to write where another run holds the study's lock.

        Raises:
            TrainingError: it does.
        """
        if self.lock is None:
            return
        writer = read_record(self.lock, Writer)
        if writer is None or writer.run != self.run:
            raise TrainingError("another run has taken over this study's folder; this one ends")
