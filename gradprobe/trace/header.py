"""What a reader must know about a trace before its numbers mean anything."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradprobe.errors import TraceError

FORMAT = "gradprobe trace"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class TraceHeader:
    """The description of a trace.

    `layers` are the trunk layers whose Gramians are stored, `parameters` their parameter counts;
    `excluded` names the task heads kept out of every cosine. `batches` says how minibatches were
    formed, since cosines depend on it. `seed` is None where the caller gave none.
    """

    focal: str = ""
    tasks: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    parameters: tuple[int, ...] = ()
    excluded: tuple[str, ...] = ()
    every: int = 1
    batches: str = ""
    seed: int | None = None
    dtype: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def to_json(self) -> str:
        """The header as JSON text, with the format's name and schema version."""
        content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, source: str = "header.json") -> TraceHeader:
        """The header in a JSON text.

        Raises:
            TraceError: the text is no trace header, is damaged, or comes from a later schema.
        """
        content = _parse(text, source)
        known = {entry.name for entry in dataclasses.fields(cls)}
        values = {key: value for key, value in content.items() if key in known}
        for key in ("tasks", "layers", "parameters", "excluded"):
            values[key] = tuple(values.get(key, ()))
        return cls(**values)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise TraceError(
            f"{source}: expected a trace header in JSON, got text that breaks off or is no JSON ({error}); "
            "the file was damaged or is not a trace"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TraceError(f"{source}: expected the header of a gradprobe trace, got some other JSON file")
    version = content.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise TraceError(f"{source}: expected a schema version from 1 on, got {version!r}")
    if version > SCHEMA_VERSION:
        raise TraceError(
            f"{source}: expected schema version {SCHEMA_VERSION} or earlier, got {version}; "
            "a later gradprobe wrote this trace, upgrade to read it"
        )
    return content
