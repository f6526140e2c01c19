"""One cell on disk: its stamp, its progress, its result or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import Field

from gradprobe.errors import InputError
from gradprobe.records.checksums import checksum
from gradprobe.records.folder import is_inside
from gradprobe.records.record import Key, Record, Result, load_record, read_record

State = Literal["finished", "failed", "unfinished", "waiting", "damaged"]
K = TypeVar("K", bound=Key)
R = TypeVar("R", bound=Result)


class CellStamp(Record):
    """What a cell's folder belongs to, and what it should hold.

    `study` is the digest of the study, `cell` the identifier of the cell, `run` that of the call that ran it.
    `files` are the SHA-256 of every file by its path in the folder, none while the cell runs.
    """

    study: str
    cell: str
    run: str
    versions: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class CellProgress(Record):
    """How far a running cell has come; `loss` is the last step's."""

    epoch: int
    epochs: int
    step: int | None = None
    loss: float | None = None


class CellFailure(Record):
    """Why a cell did not finish."""

    error: str


@dataclass(frozen=True, eq=False)
class StoredCell(Generic[K, R]):
    """One cell as it lies on disk.

    `problem` says why a failed cell failed and what is wrong with a damaged one. `trace` is the folder of the
    trace where there is one, and `trace_problems` names what is wrong with it: a part that is missing,
    changed or one too many. `versions` are those of the packages that made it, empty where not recorded.
    """

    key: K
    state: State
    result: R | None = None
    progress: CellProgress | None = None
    problem: str = ""
    trace: Path | None = None
    trace_problems: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


def read_cell(place: Path, key: K, kind: type[R], *, file: str, study: str | None) -> StoredCell[K, R]:
    """The cell in a folder, whatever state it is in; nothing about it raises.

    Args:
        place: the cell's folder.
        key: the cell that should be there.
        kind: the record of its result.
        file: the name of its result's file.
        study: the digest of its study; None where an older version wrote it, without stamps.
    """
    if link := _link_outside(place):
        return StoredCell(key, "damaged", problem=f"{link} is a link that leads out of the study's folder")
    progress = read_record(place / "progress.json", CellProgress)
    trace = place / "trace" if (place / "trace" / "header.json").is_file() else None
    try:
        stamp = None if study is None else _stamp(place, key, study, file)
        result = _result(place / file, key, kind) if study is None or (stamp and stamp.files) else None
    except InputError as error:
        return StoredCell(key, "damaged", progress=progress, problem=str(error))
    versions = stamp.versions if stamp else {}
    if result is not None:
        problems = () if stamp is None else tuple(_damage(place, stamp.files, of_trace=True))
        return StoredCell(key, "finished", result, progress, "", trace, problems, versions)
    failure = read_record(place / "failed.json", CellFailure)
    if failure is not None:
        return StoredCell(key, "failed", None, progress, failure.error, trace, (), versions)
    started = progress is not None or trace is not None
    return StoredCell(key, "unfinished" if started else "waiting", None, progress, "", trace, (), versions)


def stamp_files(place: Path) -> dict[str, str]:
    """The SHA-256 of the files in a cell's folder that stay when the cell has finished."""
    passing = ("cell.json", "progress.json", "failed.json")
    files = (path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink())
    return {
        name: checksum(path)
        for path in files
        if (name := path.relative_to(place).as_posix()) not in passing and not path.name.startswith(".")
    }


def _stamp(place: Path, key: Key, study: str, file: str) -> CellStamp | None:
    """The stamp of a cell, None where the cell has left nothing; it must be this cell's of this study."""
    if not (place / "cell.json").exists():
        if (place / file).exists():
            raise InputError(f"cell.json is missing, so nothing says to which study {file} belongs")
        return None
    stamp = load_record(place / "cell.json", CellStamp, what="the stamp of a cell")
    if stamp.study != study:
        raise InputError("it belongs to another study: other data or other options")
    if stamp.cell != key.id:
        raise InputError(f"it is a copy of the cell {stamp.cell!r}")
    if stamp.files:
        problem = next(_damage(place, stamp.files, of_trace=False), None)
        if problem:
            raise InputError(problem)
        if file not in stamp.files:
            raise InputError(f"cell.json has no checksum of {file}")
    return stamp


def _damage(place: Path, files: dict[str, str], *, of_trace: bool) -> Iterator[str]:
    """What is missing or changed of a cell's trace, or of everything else."""
    for name, expected in files.items():
        if name.startswith("trace/") != of_trace:
            continue
        path = place / name
        if not is_inside(path, place):
            yield f"{name!r} leads out of the cell's folder"
            continue
        try:
            if checksum(path) != expected:
                yield f"{name} was changed after the cell had finished: its checksum differs"
        except FileNotFoundError:
            yield f"{name} is missing"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"
    if of_trace:
        extra = {name for name in _trace_parts(place) if name not in files}
        yield from (f"{name} does not belong to the cell" for name in sorted(extra))


def _link_outside(place: Path) -> str:
    """The first link, of the cell's folder or in it, that leads out of the study's folder."""
    if not place.exists():
        return ""
    study = place.parent.parent
    paths = (place.parent, place, *sorted(path for path in place.rglob("*") if path.is_symlink()))
    return next((path.relative_to(study).as_posix() for path in paths if not is_inside(path, study)), "")


def _trace_parts(place: Path) -> Iterable[str]:
    return (path.relative_to(place).as_posix() for path in (place / "trace").glob("*.parquet"))


def _result(path: Path, key: Key, kind: type[R]) -> R | None:
    if not path.exists():
        return None
    result = load_record(path, kind, what="the result of a cell")
    if result.key != key:
        raise InputError(f"{path.name} is that of the cell {result.key.id!r}")
    return result
