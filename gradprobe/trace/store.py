"""The trace of a run: in memory, or on disk as a JSON header and append-only Parquet parts."""

from __future__ import annotations

import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gradprobe.errors import InputError, TraceError
from gradprobe.trace import parts
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.records import Geometry, GramianRecord, QuantityRecord
from gradprobe.trace.writer import PartWriter

if TYPE_CHECKING:
    import pandas as pd

_HEADER = "header.json"


class Trace:
    """Measurements in the order they were made.

    `Trace(path)` starts a trace on disk, `Trace()` one in memory, `Trace.load(path)` reads one.
    Records are appended and never changed. On disk they are written in parts, each renamed into
    place when finished: a killed process loses at most the part that was being filled. What is left
    is written by `close`, or else when the trace is forgotten or the process ends.

    `gramians` are the records of plain gradients, which every reader means that does not ask for
    others; `preconditioned` are those in the optimiser's geometry, in parts of their own.
    `damaged` names the parts that `load` could not read.
    """

    def __init__(self, path: str | Path | None = None, header: TraceHeader | None = None) -> None:
        self.header = header or TraceHeader()
        self.gramians: list[GramianRecord] = []
        self.preconditioned: list[GramianRecord] = []
        self.quantities: list[QuantityRecord] = []
        self.damaged: tuple[str, ...] = ()
        self.path = None if path is None else Path(path)
        self._writer: PartWriter | None = None
        if self.path is not None:
            self._claim(self.path)
            self._writer = PartWriter(self.path, self.gramians, self.preconditioned, self.quantities)
            weakref.finalize(self, self._writer.flush_forgotten)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """The finished parts of the trace at `path`, of a run that may still be going on.

        Raises:
            TraceError: no trace is there, it is foreign or from a later version, or no part of it
                can be read.
        """
        folder = Path(path)
        if not (folder / _HEADER).is_file():
            raise TraceError(f"path: expected the folder of a trace with a {_HEADER}, got {folder}")
        # Parts before header: a run that starts in between must not show parts of layers not yet named.
        found = sorted(folder.glob("*.parquet"))
        trace = cls()
        trace.header = TraceHeader.from_json(
            (folder / _HEADER).read_text(encoding="utf-8", errors="replace"), source=str(folder / _HEADER)
        )
        damaged: list[TraceError] = []
        for part in found:
            try:
                trace._read_part(part)
            except TraceError as error:
                damaged.append(error)
        if damaged and len(damaged) == len(found):
            raise damaged[0]
        trace.damaged = tuple(str(error) for error in damaged)
        return trace

    def describe(self, header: TraceHeader) -> None:
        """Replace the header: tasks and layers are known only once something was measured.

        Raises:
            InputError: records already rest on other layers.
        """
        if header == self.header:
            return
        if self.gramians and header.layers != self.header.layers:
            raise InputError(
                f"header: expected the layers {list(self.header.layers)} that the records so far have, "
                f"got {list(header.layers)}; start another trace for another set of layers"
            )
        self.header = header
        self._write_header()

    def append(self, record: GramianRecord | QuantityRecord) -> None:
        """Add one record; a part is written when enough has gathered or some seconds have passed.

        Raises:
            InputError: the Gramian's layers are not the header's.
        """
        if isinstance(record, QuantityRecord):
            self.quantities.append(record)
        elif record.gramian.layers != self.header.layers:
            raise InputError(
                f"record: expected the layers {list(self.header.layers)} of the header, "
                f"got {list(record.gramian.layers)}"
            )
        else:
            (self.gramians if record.geometry == "plain" else self.preconditioned).append(record)
        if self._writer is not None and self._writer.part_is_due():
            self._writer.flush()

    def flush(self) -> None:
        """Write what has gathered since the last part."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write the last part; the trace stays readable."""
        self.flush()

    def frame(self, *, geometry: Geometry = "plain") -> pd.DataFrame:
        """A tidy table of every quantity read off the trace; see `gradprobe.trace.frame.tidy`."""
        from gradprobe.trace.frame import tidy

        return tidy(self, geometry=geometry)

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self, folder: Path) -> None:
        if (folder / _HEADER).exists() or any(folder.glob("gramians-*")) or any(folder.glob("quantities-*")):
            raise InputError(
                f"out: expected a new folder for the trace, got {folder}, which holds one already; "
                "name another folder or delete that trace"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write_header()
        except OSError as error:
            raise InputError(
                f"out: expected a folder that can be written, got {folder} ({error.strerror}); "
                "name another folder"
            ) from error

    def _write_header(self) -> None:
        if self.path is None:
            return
        unfinished = self.path / (_HEADER + ".unfinished")
        unfinished.write_text(self.header.to_json(), encoding="utf-8")
        unfinished.replace(self.path / _HEADER)

    def _read_part(self, part: Path) -> None:
        if part.name.startswith("gramians-"):
            self.gramians += parts.read_gramians(part, self.header)
        elif part.name.startswith("preconditioned-"):
            self.preconditioned += parts.read_gramians(part, self.header, geometry="preconditioned")
        elif part.name.startswith("quantities-"):
            self.quantities += parts.read_quantities(part)
