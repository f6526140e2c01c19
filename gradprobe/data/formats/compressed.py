"""The bytes of a plain, gzipped or zipped file, up to a limit."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO

from gradprobe.errors import InputError

# A table of numbers shrinks five- to fiftyfold. What grows beyond this was made to fill a memory.
MAX_BYTES = 1_000_000_000
MAX_EXPANSION = 300
_ALWAYS_ALLOWED = 50_000_000


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in .gz or .zip.

    A zip archive must hold one file. At most a gigabyte is read, and of a packed file at most 300 times
    its own size (50 MB are always allowed).

    Raises:
        InputError: more than that, or an archive that holds no or several files.
        OSError, EOFError, zlib.error, zipfile.BadZipFile: the file cannot be read.
    """
    name = path.name.lower()
    packed = path.stat().st_size
    if name.endswith(".gz"):
        with gzip.open(path) as file:
            return _limited(file, path, packed)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive, path)) as file:
            return _limited(file, path, packed)
    with path.open("rb") as file:
        return _limited(file, path, None)


def check_archive(path: Path) -> None:
    """Refuse an archive, such as an Excel file, whose parts together are too large.

    Raises:
        InputError: see `read_bytes`.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _limit(path.stat().st_size):
        raise _too_large(path)


def _limited(file: IO[bytes] | gzip.GzipFile, path: Path, packed: int | None) -> bytes:
    limit = MAX_BYTES if packed is None else _limit(packed)
    content = io.BytesIO()
    try:
        while block := file.read(1 << 20):
            content.write(block)
            if content.tell() > limit:
                raise _too_large(path)
    except zlib.error as error:
        raise OSError(f"damaged archive: {error}") from error
    return content.getvalue()


def _limit(packed: int) -> int:
    return min(MAX_BYTES, max(_ALWAYS_ALLOWED, MAX_EXPANSION * packed))


def _too_large(path: Path) -> InputError:
    return InputError(
        f"path: expected at most {MAX_BYTES // 1_000_000:,} MB of table and {MAX_EXPANSION} times the packed "
        f"size, got more from {path}; unpack it yourself and keep the columns that matter"
    )


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX")
    ]
    if len(members) != 1:
        raise InputError(f"path: expected one file in {path}, got {len(members)}; unpack it and name one")
    if members[0].flag_bits & 1:
        raise InputError(f"path: expected an archive without a password, got {path}; unpack it yourself")
    return members[0]
