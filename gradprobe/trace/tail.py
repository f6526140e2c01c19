"""The end of a trace that another process is writing: every call gives the records that are new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gradprobe.errors import TraceError
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import FILE, Manifest, Part, kind_of, read_manifest
from gradprobe.trace.reading import is_damaged, part_files, read_part, read_unlisted
from gradprobe.trace.records import GramianRecord


class TraceTail:
    """The plain Gramians of a trace, each handed out once, in the order in which they can be read.

    The folder need not exist yet. `header` is None until it does. A part that cannot be read is named in
    `unreadable` and tried again. `started` counts the traces seen in the folder: a new one starts anew.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header: TraceHeader | None = None
        self.unreadable: tuple[str, ...] = ()
        self.started = 0
        self._run = ""
        self._seen: set[int] = set()
        self._names: set[str] = set()

    def read(self) -> list[GramianRecord]:
        """The records that were written since the last call.

        Raises:
            TraceError: the folder holds something other than a trace, one of a later version, or one whose
                header was changed.
        """
        files = part_files(self.folder)
        if not (self.folder / FILE).exists():
            return []
        try:
            manifest = read_manifest(self.folder)
        except TraceError as error:
            if isinstance(error.__cause__, json.JSONDecodeError):
                return []  # it is being written
            raise
        run = f"{manifest.run} {manifest.header.created}"
        if self.header is None or run != self._run:
            self._run, self._seen, self._names = run, set(), set()
            self.started += 1
        self.header = manifest.header
        listed = _listed(manifest, files)
        records: list[GramianRecord] = []
        unreadable = []
        for part in listed:
            if part.name not in self._names:
                try:
                    records += self._new_records(part, manifest)
                except TraceError:
                    unreadable.append(part.name)
        self._names &= {part.name for part in listed}
        names = {part.name for part in listed}
        strays = [path for path in files if kind_of(path.name) == "gramians" and path.name not in names]
        self.unreadable = (*unreadable, *(path.name for path in strays if is_damaged(path)))
        return records

    def _new_records(self, part: Part, manifest: Manifest) -> list[GramianRecord]:
        """The records of a part, less those that were handed out before the part was made of others."""
        numbers = range(part.first, part.first + part.records)
        new: list[GramianRecord] = []
        if manifest.parts is None:
            new = read_unlisted(self.folder / part.name, manifest.header)
        elif not self._seen.issuperset(numbers):
            records = read_part(self.folder, part, manifest.header)
            new = [each for number, each in zip(numbers, records, strict=True) if number not in self._seen]
        self._seen.update(numbers)
        self._names.add(part.name)
        return new


def _listed(manifest: Manifest, files: Sequence[Path]) -> list[Part]:
    """The parts of plain Gramians; in a trace of schema 1, which lists none, the files there are."""
    if manifest.parts is not None:
        return [part for part in manifest.parts if part.kind == "gramians"]
    return [Part(path.name, 0, 0, 0, "") for path in files if kind_of(path.name) == "gramians"]
