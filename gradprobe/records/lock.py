"""One writer a folder: the second process is refused, and told who writes."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from gradprobe.errors import InputError
from gradprobe.records.record import Record, read_record, write_record

# A writer on another machine that gave no sign of life for so long is taken for dead.
STALE_SECONDS = 600.0


class Writer(Record):
    """Who writes in a folder: a user's process on a host, since when, and the run that it calls itself."""

    owner: str
    host: str
    pid: int
    since: str
    run: str


class Lock:
    """The lock of a folder, held; `sign` shows other machines that its holder lives."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self._path = path
        self.writer = writer
        self._signed = time.monotonic()

    def sign(self) -> None:
        """Give a sign of life, at most every tenth of the time after which a lock is stale."""
        if time.monotonic() - self._signed > STALE_SECONDS / 10:
            self._signed = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._path)


@contextmanager
def locked(path: Path, *, run: str) -> Iterator[Lock]:
    """Hold the lock at `path`, which exists only while it is held, for the duration of a block.

    The operating system releases the lock of a process that died, so the next one takes it over at once.
    Where a shared disk keeps no locks between machines, the age of the holder's last sign of life decides.

    Args:
        path: the lock's file, in the folder that it guards. The folder must exist.
        run: what this process calls what it is about to do.

    Raises:
        InputError: another process holds it; the sentence names its owner, host, process and age.
        OSError: the folder cannot be written.
    """
    guard = FileLock(path.with_name(f".{path.name}"), blocking=False)
    try:
        guard.acquire()
    except Timeout as problem:
        raise InputError(_refusal(path, read_record(path, Writer))) from problem
    try:
        holder = read_record(path, Writer)
        if holder is not None and holder.host != socket.gethostname() and _age(path) < STALE_SECONDS:
            raise InputError(_refusal(path, holder))
        writer = _myself(run)
        write_record(path, writer)
        try:
            yield Lock(path, writer)
        finally:
            path.unlink(missing_ok=True)
    finally:
        guard.release()


def _myself(run: str) -> Writer:
    try:
        owner = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        owner = f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Writer(owner=owner, host=socket.gethostname(), pid=os.getpid(), since=since, run=run)


def _age(path: Path) -> float:
    """Seconds since the last sign of life; endless where there is no lock."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _refusal(path: Path, holder: Writer | None) -> str:
    who = (
        "by another process"
        if holder is None
        else f"by process {holder.pid} of {holder.owner} on {holder.host} since {holder.since}, "
        f"last sign of life {max(0.0, _age(path)):.0f} s ago"
    )
    return (
        f"out: expected a folder that nobody else writes, got {path.parent}, which is being written {who}; "
        "wait until it ends, end it, or name another folder with --out; if it is long gone, delete "
        f"{path.name} there"
    )
