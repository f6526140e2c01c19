"""The bases of everything that is stored as JSON."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gradprobe.errors import InputError
from gradprobe.records.reading import read_object
from gradprobe.records.writing import write_atomically


class Record(BaseModel):
    """A frozen model. Fields that a later version added are ignored, so that older versions still read it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Key(Record):
    """What tells one cell of a study from the others."""

    seed: int

    @property
    @abstractmethod
    def id(self) -> str:
        """The name of the cell's folder, different for different cells; see `folder.check_name`."""


class Result(Record):
    """What a finished cell leaves behind; subclasses narrow the type of `key`."""

    columns: ClassVar[tuple[str, ...]]
    key: Key

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """The cell's rows of results.csv, without timings: values by column."""


_Model = TypeVar("_Model", bound=BaseModel)


def encode(record: BaseModel) -> bytes:
    """A record as it stands in a file."""
    return (record.model_dump_json(indent=1) + "\n").encode()


def write_record(path: Path, record: BaseModel, *, within: Path | None = None, durable: bool = True) -> None:
    """Write a record as JSON; see `writing.replacing`."""
    write_atomically(path, encode(record), within=within, durable=durable)


def load_record(path: Path, kind: type[_Model], *, what: str) -> _Model:
    """The record in a file; `what` says in an error what the file should be.

    Raises:
        InputError: the file is absent, damaged, foreign, or not such a record; in one sentence.
    """
    try:
        return kind.model_validate(read_object(path, what=what))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise InputError(
            f"{path}: expected {what}, got a damaged or foreign file ({place}: {first['msg'].lower()})"
        ) from error


def read_record(path: Path, kind: type[_Model]) -> _Model | None:
    """The record in a file, or None where there is none that can be read."""
    try:
        return load_record(path, kind, what="a record")
    except InputError:
        return None
