"""The manifest of a study: what was asked for, of which data, how, and with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

from pydantic import SerializeAsAny

from gradprobe.records.checksums import digest_of
from gradprobe.records.record import Key, Record

# 1: study.json of comparisons, grid.json of everything else, neither with checksums.
SCHEMA_VERSION = 2

K = TypeVar("K", bound=Key)


class Invocation(Record):
    """One call that ran cells of the study: its command and the versions of packages then.

    `run` is the identifier that the call gave to everything it wrote.
    """

    run: str
    command: str
    versions: dict[str, str]
    started: str


class Manifest(Record):
    """What study.json holds; each kind of study adds what its report needs to know.

    `identity` is everything besides its key that a cell's result depends on; `digest` identifies the kind and
    the identity, and every cell carries it. `options` are those of the last call, `cells` all that were ever
    asked for. `command` and `versions` are those of the last call, `created` of the first; `calls` are all
    of them. `checksum` is that of everything else here.
    """

    format: Literal["gradprobe study"] = "gradprobe study"
    schema_version: int = SCHEMA_VERSION
    kind: str = "compare"
    digest: str = ""
    identity: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    options: dict[str, Any] = {}  # noqa: RUF012
    command: str = ""
    versions: dict[str, str] = {}  # noqa: RUF012
    created: str = ""
    calls: tuple[Invocation, ...] = ()
    cells: tuple[SerializeAsAny[Key], ...] = ()
    checksum: str = ""

    def sealed(self) -> Self:
        """The same manifest with its checksum."""
        return self.model_copy(update={"checksum": self.content_checksum()})

    def content_checksum(self) -> str:
        """The checksum that the content should have."""
        return digest_of(self.model_dump(mode="json", exclude={"checksum"}))

    @property
    def shared(self) -> Record:
        """The part of the identity that a report shows, in kinds that have one."""
        return Record()

    def settings_of(self, key: Key) -> dict[str, Any]:  # noqa: ARG002 - kinds with axes use it
        """What results.csv says of a cell besides its result, by column."""
        return {}

    def joined(self, earlier: Self) -> Self:
        """With what an earlier manifest of the same study holds besides."""
        cells = all_cells(earlier.cells, self.cells)
        created = earlier.created or self.created
        calls = {call.run: call for call in (*earlier.calls, *self.calls)}
        return self.model_copy(update={"cells": cells, "created": created, "calls": tuple(calls.values())})


def identify(kind: str, identity: Mapping[str, Any]) -> str:
    """The digest of a study of some kind and identity."""
    return digest_of({"kind": kind, "identity": dict(identity)})


def all_cells(earlier: Sequence[K], asked: Sequence[K]) -> tuple[K, ...]:
    """Both, each once, seed by seed; within a seed, values in the order in which they first appear.

    So the order does not depend on what was asked for when, as long as new values come last.
    """
    cells = tuple(dict.fromkeys([*earlier, *asked]))
    names = [name for name in type(cells[0]).model_fields if name != "seed"] if cells else []
    ranks = {
        name: {value: rank for rank, value in enumerate(dict.fromkeys(getattr(c, name) for c in cells))}
        for name in names
    }
    return tuple(sorted(cells, key=lambda c: (c.seed, *(ranks[name][getattr(c, name)] for name in names))))
