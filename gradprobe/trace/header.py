"""What a reader must know about a trace before its numbers mean anything."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from gradprobe.errors import TraceError

# Counts that NumPy can hold.
_Count = Annotated[int, Field(ge=0, lt=2**62)]


@dataclass(frozen=True)
class TraceHeader:
    """The description of a trace.

    `layers` are the trunk layers whose Gramians are stored, `parameters` their parameter counts;
    `excluded` names the task heads kept out of every cosine. `batches` says how minibatches were
    formed, since cosines depend on it. `seed` is None where the caller gave none. `sample` is the probability
    with which each step was measured, None where every so-manyth was.
    """

    focal: str = ""
    tasks: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    parameters: tuple[_Count, ...] = ()
    excluded: tuple[str, ...] = ()
    every: _Count = 1
    batches: str = ""
    seed: int | None = None
    sample: float | None = None
    dtype: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    @classmethod
    def from_content(cls, content: Mapping[str, Any], *, source: str) -> TraceHeader:
        """The header in a JSON object; keys that are none of its fields are passed over.

        Raises:
            TraceError: a field is of another type, or layers and parameters do not go together.
        """
        known = {entry.name for entry in dataclasses.fields(cls)}
        values = {key: value for key, value in content.items() if key in known}
        try:
            # Through JSON, whose lists may stand for tuples while nothing else is converted.
            header = _ADAPTER.validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the text"
            raise TraceError(
                f"{source}: expected the header of a trace, got a wrong value of {where} ({first['msg']}); "
                "the file was changed or is not a trace"
            ) from error
        if len(header.layers) != len(header.parameters) or len(set(header.layers)) != len(header.layers):
            raise TraceError(
                f"{source}: expected distinct layers and as many counts of parameters, got "
                f"{len(header.layers)} layers and {len(header.parameters)} counts; the file was changed"
            )
        return header


_ADAPTER = TypeAdapter(TraceHeader)
