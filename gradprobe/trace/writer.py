"""Records of a running trace to finished parts on disk."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from gradprobe.errors import InputError, TraceError
from gradprobe.records.checksums import checksum_of
from gradprobe.records.writing import write_atomically
from gradprobe.trace.compaction import NEVER_MERGED, Merge, next_merge
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import FILE, KINDS, Kind, Manifest, Part, read_manifest
from gradprobe.trace.parts import Identity, encode, merge, size_of
from gradprobe.trace.reading import read_part_bytes
from gradprobe.trace.records import GramianRecord, MoleculeRecord, QuantityRecord
from gradprobe.trace.stored import StoredRecords

# A part is closed by whichever comes first, so that a killed process loses seconds, not hours.
_PART_RECORDS = 64
_PART_BYTES = 32_000_000
_PART_SECONDS = 5.0
# What stays in memory while a folder cannot be written.
WAITING_BYTES = 256_000_000


class _NotOursError(OSError):
    """The folder is no longer this trace's to write to."""


@dataclass(frozen=True)
class _Change:
    """Parts that are written but not yet listed, and the records they took from each kind's pending ones."""

    parts: Mapping[Kind, Part]
    taken: Mapping[Kind, int]


class TraceWriter:
    """The one writer of a trace's folder: `claim` it, `add` records, `flush` them.

    A folder that cannot be written stops nothing: records wait in memory, up to 256 MB, and are written when
    that is possible again. `problem` says what is wrong meanwhile.
    """

    def __init__(self, folder: Path, records: Mapping[Kind, StoredRecords[Any]]) -> None:
        self._folder = folder
        self._records = records
        self._manifest = Manifest(TraceHeader(), run=uuid4().hex)
        self._number = 0
        self._waiting = 0
        self._last_flush = time.monotonic()
        self._process = os.getpid()
        self._listed = True
        self.problem = ""
        # What pyarrow and pandas import on a first write cannot be imported when the process ends.
        encode([], Identity("", "gramians-", 0))
        encode([], Identity("", "quantities-", 0))

    @property
    def lost(self) -> int:
        """How many records could neither be written nor kept."""
        return self._manifest.lost

    def claim(self, header: TraceHeader) -> None:
        """Make the folder this trace's.

        Raises:
            InputError: it holds a trace, another process claims it at this moment, or it cannot be written.
        """
        self._manifest = replace(self._manifest, header=header)
        try:
            # Whoever creates the header owns the folder, for good: nothing is ever appended to a trace.
            if any(part for kind in KINDS for part in self._folder.glob(f"{kind}-*")):
                raise FileExistsError
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / FILE).open("x", encoding="utf-8") as file:
                file.write(self._manifest.to_json())
            self._list()
        except FileExistsError as error:
            if self._folder.exists() and not self._folder.is_dir():
                raise _unusable(self._folder, "it is a file") from error
            raise InputError(
                f"out: expected a new folder for the trace, got {self._folder}, which holds one already; "
                "name another folder or delete that trace"
            ) from error
        except (OSError, ValueError) as error:
            raise _unusable(self._folder, getattr(error, "strerror", None) or str(error)) from error

    def describe(self, header: TraceHeader) -> None:
        """Replace the header."""
        self._manifest, self._listed = replace(self._manifest, header=header), False
        self._attempt(self._settle)

    def add(self, kind: Kind, record: GramianRecord | QuantityRecord | MoleculeRecord) -> None:
        """Take a record, and write a part if the buffer is full or a flush is overdue."""
        size = size_of(record)
        if self.problem and self._is_due():
            self.flush()
        if self.problem and self._waiting + size > WAITING_BYTES:
            self._manifest = replace(self._manifest, lost=self._manifest.lost + 1)
        else:
            self._records[kind].append(record)
            self._waiting += size
        if self._is_due():
            self.flush()

    def flush(self) -> None:
        """Write what is buffered since the last part, where that can be done now."""
        if self._attempt(self._write):
            # What could not be merged now will be another time.
            with contextlib.suppress(OSError, InputError):
                self._compact()

    def flush_forgotten(self) -> None:
        """Write what a caller who never closed the trace leaves behind, where that can still be done.

        Nothing in a forked process, such as a loader's worker: the records are its parent's to write.
        """
        if os.getpid() == self._process:
            self.problem = self.problem or "forgotten"  # nobody is left to be warned
            self.flush()

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._last_flush >= _PART_SECONDS
        if self.problem:
            return waited
        gathered = sum(len(records.pending) for records in self._records.values())
        return waited or gathered >= _PART_RECORDS or self._waiting >= _PART_BYTES

    def _attempt(self, work: Any) -> bool:
        """Whether the work could be done; the first time it cannot be, a warning says so."""
        if os.getpid() != self._process:
            return False  # the folder is the parent's
        try:
            self._check_ours()
            work()
        except (OSError, InputError, TraceError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            told, self.problem = self.problem, reason
            if not told:
                warnings.warn(
                    f"trace: {self._folder} cannot be written ({reason}); training continues and records "
                    f"wait in memory, up to {WAITING_BYTES // 1_000_000} MB: make room or put the folder "
                    "back, or save them elsewhere with trace.save(folder)",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return False
        finally:
            self._last_flush = time.monotonic()
        self.problem = ""
        return True

    def _check_ours(self) -> None:
        """Nothing is written into a folder that was deleted, or where another run has begun since."""
        try:
            found = read_manifest(self._folder).run
        except TraceError as error:
            raise _NotOursError("the folder or its header.json was deleted or changed") from error
        if found != self._manifest.run:
            raise _NotOursError("another run writes there now")

    def _write(self) -> None:
        """Write and list a part of each kind that has something pending."""
        parts: dict[Kind, Part] = {}
        for kind, records in self._records.items():
            if records.pending:
                first = sum(part.records for part in records.parts)
                parts[kind] = self._write_part(kind, list(records.pending), first)
        if parts:
            self._number += 1
            self._commit({kind: [*self._records[kind].parts, part] for kind, part in parts.items()})
            for kind, part in parts.items():
                del self._records[kind].pending[: part.records]
            self._waiting = 0
        self._settle()

    def _write_part(self, kind: Kind, records: list[Any], first: int) -> Part:
        identity = Identity(self._manifest.run, f"{kind}-{self._number:06d}.parquet", first)
        content = encode(records, identity)
        write_atomically(self._folder / identity.name, content, within=self._folder)
        return Part(identity.name, first, len(records), sum(map(size_of, records)), checksum_of(content))

    def _compact(self) -> None:
        """Merge small parts, so that a long run leaves tens of files."""
        for kind, records in self._records.items():
            while (found := next_merge(records.parts)) is not None:
                self._merge(kind, records, found)

    def _merge(self, kind: Kind, records: StoredRecords[Any], found: Merge) -> None:
        old = records.parts[found.start : found.stop]
        identity = Identity(self._manifest.run, f"{kind}-{self._number:06d}.parquet", old[0].first)
        contents = []
        for number, part in enumerate(old, found.start):
            try:
                contents.append(read_part_bytes(self._folder, part))
            except TraceError:  # damaged: it stays, for its reader to name
                records.parts[number] = replace(part, level=NEVER_MERGED)
                return
        content = merge(contents, identity)
        write_atomically(self._folder / identity.name, content, within=self._folder)
        self._number += 1
        count, size = sum(part.records for part in old), sum(part.size for part in old)
        merged = Part(identity.name, old[0].first, count, size, checksum_of(content), level=found.level)
        self._commit({kind: [*records.parts[: found.start], merged, *records.parts[found.stop :]]})
        for part in old:
            (self._folder / part.name).unlink(missing_ok=True)

    def _commit(self, changed: Mapping[Kind, list[Part]]) -> None:
        """List the parts, on disk first: what is not listed there does not count as written."""
        lists = {kind: changed.get(kind, records.parts) for kind, records in self._records.items()}
        parts = tuple(part for kind in KINDS for part in lists[kind])
        before, self._manifest = self._manifest, replace(self._manifest, parts=parts)
        try:
            self._list()
        except BaseException:
            self._manifest = before
            raise
        for kind, own in changed.items():
            self._records[kind].parts = own

    def _settle(self) -> None:
        if not self._listed:
            self._list()

    def _list(self) -> None:
        content = self._manifest.to_json().encode()
        write_atomically(self._folder / FILE, content, within=self._folder)
        self._listed = True


def _unusable(folder: Path, reason: str) -> InputError:
    shown = str(folder) if len(str(folder)) <= 200 else f"{str(folder)[:200]}…"
    return InputError(
        f"out: expected a folder that can be written, got {shown!r} ({reason}); name another folder"
    )
