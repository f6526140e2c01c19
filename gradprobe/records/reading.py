"""Reading JSON that may be damaged, foreign or hostile: one sentence about what is wrong, nothing else."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from gradprobe.errors import GradprobeError, InputError

# The largest record today, a node study's with a snapshot, has less than a hundredth of this.
MOST_BYTES = 256_000_000


def read_object(
    path: Path, *, what: str, error: type[GradprobeError] = InputError, most: int = MOST_BYTES
) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: a regular file; devices, pipes and sockets are refused before anything is read.
        what: what the file should be, such as "the description of a study"; it stands in the error.
        error: the kind of error to raise.
        most: the largest file to read, in bytes.

    Raises:
        GradprobeError: `error`, where the file is absent, no regular file, too large, no UTF-8, no JSON,
            nested too deeply, holds a number of too many digits, or is no object.
    """
    return parse_object(
        read_bytes(path, what=what, error=error, most=most), str(path), what=what, error=error
    )


def read_bytes(
    path: Path, *, what: str, error: type[GradprobeError] = InputError, most: int = MOST_BYTES
) -> bytes:
    """The bytes of a regular file of at most `most` bytes; otherwise `error`, as for `read_object`."""
    try:
        with open_regular(path) as file:
            # Not `most` at once: that much memory would be asked for.
            content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    except (OSError, ValueError) as problem:
        raise error(f"{path}: expected {what}, which cannot be read ({_reason(problem)})") from problem
    if len(content) > most:
        raise error(f"{path}: expected {what}, got a file of more than {most:,} bytes")
    return content


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened to read: a device, a pipe or a socket might never end, or never begin.

    Raises:
        OSError: it is no regular file, or cannot be opened.
    """
    # Opening a pipe would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def parse_object(
    content: bytes, source: str, *, what: str, error: type[GradprobeError] = InputError
) -> dict[str, Any]:
    """The JSON object in some bytes; otherwise `error`, as for `read_object`. `source` names the file."""
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as problem:
        raise error(f"{source}: expected {what} in UTF-8, got a damaged or foreign file") from problem
    except RecursionError as problem:
        raise error(f"{source}: expected {what}, got JSON that is nested too deeply") from problem
    except ValueError as problem:
        # Broken JSON, and numbers of more digits than Python converts.
        raise error(
            f"{source}: expected {what} in JSON, got a damaged or foreign file ({_reason(problem)})"
        ) from problem
    if not isinstance(value, dict):
        raise error(f"{source}: expected {what}, got JSON that is no object")
    return value


def _reason(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
