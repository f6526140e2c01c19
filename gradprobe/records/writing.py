"""The one way in which a file comes to stand in a folder: whole, durable, and nowhere else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from gradprobe.errors import InputError

# Every unfinished file has a name of its own, so that two writers never share one.
_UNFINISHED = ".{}.unfinished"


def write_atomically(path: Path, content: bytes, *, within: Path | None = None, durable: bool = True) -> None:
    """Write a file and the folders above it; see `replacing`."""
    with replacing(path, within=within, durable=durable) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, within: Path | None = None, durable: bool = True) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of `path` when the block ends without an error.

    A reader sees the old file or the new one, never half of one; after an error, the old one. The name of
    the unfinished file is not guessable and never followed if it is a link. A link at `path` is replaced,
    not written through.

    Args:
        path: the file to write. Folders above it are made.
        within: the folder that must hold the file once links are followed. Give it wherever the folder
            came from someone else: a link in it may point anywhere.
        durable: wait until the file and its name are on the disk, so that a power cut loses neither.

    Raises:
        InputError: `path` lies outside `within`.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True) if within is None else _make_inside(path.parent, within)
    unfinished = path.parent / _UNFINISHED.format(uuid4().hex)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Delete what killed writers left in a folder. Only the folder's one writer may call this."""
    for path in folder.glob(_UNFINISHED.format("*")):
        with contextlib.suppress(OSError):
            path.unlink()


def _make_inside(folder: Path, within: Path) -> None:
    """Make a folder, having checked that it lies in another one once links are followed."""
    if not folder.resolve().is_relative_to(within.resolve()):
        raise InputError(
            f"{folder}: expected a folder inside {within}, got a link to {folder.resolve()}; delete the link"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a renaming durable, where the system can: Windows opens no folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network and user-space file systems know no sync of folders.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
