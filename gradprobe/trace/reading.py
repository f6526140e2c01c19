"""A trace on disk to its records: what is missing, changed, copied or foreign is named and left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradprobe.errors import TraceError
from gradprobe.records.checksums import checksum_of
from gradprobe.records.reading import read_bytes
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import KINDS, Kind, Manifest, Part, is_part, kind_of, read_manifest
from gradprobe.trace.parts import MOST_BYTES, decode, identity_of, size_of
from gradprobe.trace.stored import StoredRecords

# A run that writes the trace meanwhile may merge parts between two of our looks, seconds apart.
_TRIES = 10
_Stores = Mapping[Kind, StoredRecords[Any]]


class _ChangedError(Exception):
    """The run that writes the trace changed the list of parts meanwhile."""


@dataclass
class PartReader:
    """Reads the parts of one trace; its header becomes known, or changes, after it was made."""

    folder: Path
    header: TraceHeader

    def __call__(self, part: Part) -> list[Any]:
        """The records of a part; the errors of `read_part`."""
        return read_part(self.folder, part, self.header)


def load_parts(folder: Path, stores: _Stores) -> tuple[TraceHeader, list[TraceError]]:
    """The header of the trace in a folder, whose readable parts are put into `stores`, and what is wrong.

    Every part is read once, so that what can be wrong is known at once.

    Raises:
        TraceError: the header cannot be read.
    """
    for tries in range(_TRIES):
        # Files before header: a run that starts in between must not show parts of layers not yet named.
        files = part_files(folder)
        manifest = read_manifest(folder)
        for records in stores.values():
            records.clear()
        try:
            return manifest.header, _take(folder, manifest, files, stores, last_try=tries == _TRIES - 1)
        except _ChangedError:
            continue
    raise AssertionError("the last try does not give up")


def part_files(folder: Path) -> list[Path]:
    """The files in a folder that are named like parts, by name."""
    return sorted(path for path in folder.glob("*.parquet") if is_part(path))


def read_part(folder: Path, part: Part, header: TraceHeader) -> list[Any]:
    """The records of a part.

    Raises:
        TraceError: it is missing, damaged, or not the part that was written.
    """
    records = decode(read_part_bytes(folder, part), part.name, header)
    if len(records) != part.records:
        raise TraceError(
            f"{part.name}: expected a part of {part.records} records, got {len(records)}; it was changed"
        )
    return records


def read_part_bytes(folder: Path, part: Part) -> bytes:
    """The bytes of a part; the errors of `read_part`."""
    path = folder / part.name
    if not path.exists():
        raise TraceError(
            f"{part.name}: expected the part of {part.records} records in header.json, got no such file; "
            "put it back"
        )
    content = _bytes_of(path)
    if part.sha256 and checksum_of(content) != part.sha256:
        raise TraceError(
            f"{part.name}: expected a finished Parquet part, got a damaged or another file: its checksum "
            "is not the one in header.json"
        )
    return content


def read_unlisted(path: Path, header: TraceHeader) -> list[Any]:
    """The records of a part that no list describes; the errors of `read_part`."""
    return decode(_bytes_of(path), path.name, header)


def is_damaged(path: Path) -> bool:
    """Whether a file is there and no part of any trace; the part that is listed next is one."""
    try:
        identity_of(_bytes_of(path), path.name)
    except TraceError:
        return path.exists()
    return False


def _take(
    folder: Path, manifest: Manifest, files: list[Path], stores: _Stores, *, last_try: bool
) -> list[TraceError]:
    if manifest.parts is None:
        return _take_unlisted(files, manifest, stores)
    damaged = []
    for part in manifest.parts:
        try:
            stores[part.kind].take(part, read_part(folder, part, manifest.header))
        except TraceError as error:
            if not last_try and read_manifest(folder) != manifest:
                raise _ChangedError from error
            damaged.append(error)
    listed = {part.name for part in manifest.parts}
    others = [path for path in part_files(folder) if path.name not in listed]
    if others and not last_try and read_manifest(folder) != manifest:
        raise _ChangedError
    damaged += _take_unlisted(others, manifest, stores)
    if manifest.lost:
        damaged.append(
            TraceError(f"{manifest.lost} records are missing: the folder could not be written for a while")
        )
    return damaged


def _take_unlisted(files: list[Path], manifest: Manifest, stores: _Stores) -> list[TraceError]:
    """Parts that no list names: all of a trace of schema 1, else what a killed run left behind.

    A part that was written but not yet listed continues the list; one whose records are listed already is
    a leftover of a merge. Copies, and parts of other runs, are named and left out.
    """
    damaged = []
    counts = dict.fromkeys(KINDS, 0)
    for part in manifest.parts or ():
        counts[part.kind] += part.records
    for path in files:
        kind = kind_of(path.name)
        try:
            content = _bytes_of(path)
            if manifest.parts is not None and not _continues(content, path, manifest.run, counts[kind]):
                continue
            records = decode(content, path.name, manifest.header)
        except TraceError as error:
            damaged.append(error)
            continue
        part = Part(path.name, counts[kind], len(records), sum(map(size_of, records)), checksum_of(content))
        stores[kind].take(part, records)
        counts[kind] += len(records)
    return damaged


def _continues(content: bytes, path: Path, run: str, count: int) -> bool:
    """Whether an unlisted part holds the records after the listed ones, rather than ones that are listed."""
    own = identity_of(content, path.name)
    if own.run != run:
        raise TraceError(f"{path.name}: expected parts of one run, got one of another run; left out")
    if own.name != path.name:
        raise TraceError(f"{path.name}: expected every part once, got a copy of {own.name[:80]!r}; left out")
    if own.first > count:
        raise TraceError(
            f"{path.name}: expected records from {count} on, got those from {own.first}; left out"
        )
    return own.first == count


def _bytes_of(path: Path) -> bytes:
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise TraceError(f"{path.name}: expected a part, got a link that leads out of the folder")
    return read_bytes(path, what="a part of a trace", error=TraceError, most=MOST_BYTES)
