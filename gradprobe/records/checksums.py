"""SHA-256 of files and of what JSON can hold."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gradprobe.records.reading import open_regular


def checksum(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def checksum_of(content: bytes) -> str:
    """SHA-256 of bytes in hexadecimal, as `checksum` gives for a file that holds them."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 in hexadecimal of a value that JSON can hold, whatever the order of its keys.

    >>> digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    True
    """
    return checksum_of(json.dumps(value, sort_keys=True).encode())
