"""header.json: the header of a trace, the run that writes it, and its parts in order with their checksums."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from gradprobe.errors import TraceError
from gradprobe.records.checksums import digest_of
from gradprobe.records.reading import parse_object, read_bytes
from gradprobe.trace.header import TraceHeader

FORMAT = "gradprobe trace"
# 1: no run, no list of parts, no checksums.
SCHEMA_VERSION = 2
FILE = "header.json"
Kind = Literal["gramians", "preconditioned", "quantities", "molecules"]
KINDS: tuple[Kind, ...] = ("gramians", "preconditioned", "quantities", "molecules")
_NAME = re.compile(rf"({'|'.join(KINDS)})-\d{{6,12}}\.parquet")
_MOST_BYTES = 64_000_000


@dataclass(frozen=True)
class Part:
    """A finished file of records: `records` of one kind that follow the `first` ones.

    `size` is that of the records in memory, in bytes; `level` counts how often they were compacted.
    """

    name: str
    first: NonNegativeInt
    records: NonNegativeInt
    size: NonNegativeInt
    sha256: str
    level: NonNegativeInt = 0

    @property
    def kind(self) -> Kind:
        """The kind of the records."""
        return kind_of(self.name)


@dataclass(frozen=True)
class Manifest:
    """What header.json holds.

    `run` is drawn anew for every trace, and stands in every part. `parts` is None for a trace of schema 1,
    which lists none. `lost` counts records that could neither be written nor kept.
    """

    header: TraceHeader
    run: str = ""
    parts: tuple[Part, ...] | None = ()
    lost: int = 0

    def to_json(self) -> str:
        """The manifest as JSON text, with the format's name, schema version and a checksum of everything."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(self.header),
            "run": self.run,
            "lost": self.lost,
            "parts": [dataclasses.asdict(part) for part in self.parts or ()],
        }
        content = json.loads(json.dumps(content))
        return json.dumps(content | {"checksum": digest_of(content)}, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the trace in a folder.

    Raises:
        TraceError: it is damaged, foreign, from a later version, or was changed since it was written.
    """
    path = folder / FILE
    content = read_bytes(path, what="a trace header", error=TraceError, most=_MOST_BYTES)
    return parse_manifest(content, source=str(path))


def parse_manifest(content: bytes, *, source: str = FILE) -> Manifest:
    """The manifest in the bytes of a file; the errors of `read_manifest`."""
    values = parse_object(content, source, what="a trace header", error=TraceError)
    version = _version(values, source)
    if version == 1:
        return Manifest(TraceHeader.from_content(values, source=source), parts=None)
    if values.pop("checksum", None) != digest_of(values):
        raise TraceError(
            f"{source}: expected the header as it was written, got one that was changed since: its checksum "
            "differs; put the original back"
        )
    try:
        parts = _PARTS.validate_json(json.dumps(values.get("parts")), strict=True)
        run = str(values["run"])
        lost = int(values.get("lost", 0))
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise TraceError(f"{source}: expected a list of parts, got something else") from error
    _check_parts(parts, source)
    return Manifest(TraceHeader.from_content(values, source=source), run, parts, lost)


def kind_of(name: str) -> Kind:
    """The kind of the records in a part of that name."""
    return next(kind for kind in KINDS if name.startswith(f"{kind}-"))


def is_part(path: Path) -> bool:
    """Whether a file is named like a part."""
    return _NAME.fullmatch(path.name) is not None


_PARTS = TypeAdapter(tuple[Part, ...])


def _version(values: Mapping[str, Any], source: str) -> int:
    if values.get("format") != FORMAT:
        raise TraceError(f"{source}: expected the header of a gradprobe trace, got some other JSON file")
    version = values.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise TraceError(f"{source}: expected a schema version from 1 on, got {repr(version)[:40]}")
    if version > SCHEMA_VERSION:
        raise TraceError(
            f"{source}: expected schema version {SCHEMA_VERSION} or earlier, got {str(version)[:40]}; "
            "a later gradprobe wrote this trace, upgrade to read it"
        )
    return version


def _check_parts(parts: tuple[Part, ...], source: str) -> None:
    """Names that lead nowhere else, and records of each kind without gap or overlap."""
    following = dict.fromkeys(KINDS, 0)
    for part in parts:
        if not _NAME.fullmatch(part.name):
            raise TraceError(f"{source}: expected parts named like gramians-000000.parquet, got another name")
        if part.first != following[part.kind]:
            raise TraceError(f"{source}: expected the parts of one trace in order, got others")
        following[part.kind] += part.records
    if len({part.name for part in parts}) != len(parts):
        raise TraceError(f"{source}: expected every part once, got one twice")
