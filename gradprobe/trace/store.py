"""The trace of a run: in memory, or on disk as a JSON header and append-only Parquet parts."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradprobe.errors import InputError, TraceError
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import FILE, KINDS, Kind
from gradprobe.trace.reading import PartReader, load_parts
from gradprobe.trace.records import Geometry, GramianRecord, MoleculeRecord, QuantityRecord
from gradprobe.trace.stored import StoredRecords
from gradprobe.trace.writer import TraceWriter

if TYPE_CHECKING:
    import pandas as pd


class Trace:
    """Measurements in the order they were made.

    `Trace(path)` starts a trace on disk, `Trace()` one in memory, `Trace.load(path)` reads one.
    Records are appended and never changed. On disk they are written in parts, each renamed into
    place when finished and listed with its checksum: a killed process loses at most the part that was
    being filled. What is left is written by `close`, or else when the trace is forgotten or the process ends.
    What is written does not stay in memory; it is read again when asked for.

    A folder that cannot be written (disk full, folder deleted) stops no training: one warning says so,
    records wait in memory, up to 256 MB, and are written when that is possible again. `close` raises a
    TraceError where it is not; `save` writes them elsewhere.

    `gramians` are the records of plain gradients, the default for readers; `preconditioned` are those in the
    optimiser's geometry, in parts of their own. Both are sequences, as `quantities` and `molecules`.
    `damaged` names what `load` found missing, changed or foreign, and left out.
    """

    def __init__(self, path: str | Path | None = None, header: TraceHeader | None = None) -> None:
        self.header = header or TraceHeader()
        self.damaged: tuple[str, ...] = ()
        self.path = None if path is None else Path(path)
        self._writer: TraceWriter | None = None
        self._open(self.path)
        if self.path is not None:
            self._writer = TraceWriter(self.path, self._stores)
            self._writer.claim(self.header)
            weakref.finalize(self, self._writer.flush_forgotten)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """The finished parts of the trace at `path`, of a run that may still be in progress.

        Every part is checked now. Up to 128 MB of records stay in memory; others are read again when they
        are asked for, which raises a TraceError if the file was changed since.

        Raises:
            TraceError: no trace is there, it is foreign or from a later version, its header was changed, or
                no part of it can be read.
        """
        folder = Path(path)
        if not (folder / FILE).is_file():
            raise TraceError(f"path: expected the folder of a trace with a {FILE}, got {folder}")
        trace = cls()
        trace._open(folder)
        trace.header, damaged = load_parts(folder, trace._stores)
        trace._parts.header = trace.header
        if damaged and not any(trace._stores.values()):
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
        self.header = self._parts.header = header
        if self._writer is not None:
            self._writer.describe(header)

    def append(self, record: GramianRecord | QuantityRecord | MoleculeRecord) -> None:
        """Add one record; a part is written when the buffer is full or a flush is overdue.

        Raises:
            InputError: the Gramian's layers are not the header's.
        """
        kind: Kind = "molecules" if isinstance(record, MoleculeRecord) else "quantities"
        if isinstance(record, GramianRecord):
            kind = "gramians" if record.geometry == "plain" else "preconditioned"
            if record.gramian.layers != self.header.layers:
                raise InputError(
                    f"record: expected the layers {list(self.header.layers)} of the header, "
                    f"got {list(record.gramian.layers)}"
                )
        if self._writer is None:
            self._stores[kind].append(record)
        else:
            self._writer.add(kind, record)

    def flush(self) -> None:
        """Write what is buffered since the last part, where that can be done now."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write the last part; the trace stays readable.

        Raises:
            TraceError: the folder cannot be written; the records are still in memory.
        """
        self.flush()
        waiting = sum(len(records.pending) for records in self._stores.values())
        if self._writer is None or not self._writer.problem:
            return
        lost = f", {self._writer.lost} more were lost" if self._writer.lost else ""
        raise TraceError(
            f"trace: expected to write {waiting} records to {self.path}, which cannot be written "
            f"({self._writer.problem}); they are in memory{lost}: make room or put the folder back and close "
            "again, or save them elsewhere with trace.save(folder)"
        )

    def save(self, path: str | Path) -> None:
        """Write all records, those in memory and those that can be read, to a new folder.

        Raises:
            InputError: the folder holds a trace already, or cannot be written.
            TraceError: the new folder cannot be written to the end.
        """
        with Trace(path, self.header) as copy:
            for records in self._stores.values():
                for record in records.readable():
                    copy.append(record)

    def frame(
        self,
        *,
        geometry: Geometry = "plain",
        quantities: Collection[str] | None = None,
        layers: Collection[str] | None = None,
        categories: bool = False,
    ) -> pd.DataFrame:
        """A tidy table of the quantities read off the trace; see `gradprobe.trace.frame.tidy`.

        A table of everything in a long trace is large; `quantities` and `layers` (`""` is the whole trunk)
        keep to what is needed, and only that is computed. `categories` gives texts as pandas categories,
        which take an eighth of the memory.
        """
        from gradprobe.trace.frame import tidy

        gramians = self.gramians if geometry == "plain" else self.preconditioned
        return tidy(
            self.header, gramians, self.quantities, only=quantities, layers=layers, categories=categories
        )

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        try:
            self.close()
        except TraceError as problem:
            if error is None:
                raise
            warnings.warn(str(problem), RuntimeWarning, stacklevel=2)

    def _open(self, folder: Path | None) -> None:
        """Empty stores of records, whose parts lie in a folder."""
        # Nothing here may refer to this trace, or it would never be forgotten, and so never written.
        self._parts = PartReader(folder or Path(), self.header)
        self.gramians: StoredRecords[GramianRecord] = StoredRecords(self._parts)
        self.preconditioned: StoredRecords[GramianRecord] = StoredRecords(self._parts)
        self.quantities: StoredRecords[QuantityRecord] = StoredRecords(self._parts)
        self.molecules: StoredRecords[MoleculeRecord] = StoredRecords(self._parts)
        stores: tuple[StoredRecords[Any], ...] = (
            *(self.gramians, self.preconditioned),
            *(self.quantities, self.molecules),
        )
        self._stores: dict[Kind, StoredRecords[Any]] = dict(zip(KINDS, stores, strict=True))
