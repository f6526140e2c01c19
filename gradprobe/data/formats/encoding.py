"""Bytes to text, whatever program saved them."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF16_LE, "utf-16", "read as UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "read as UTF-16"),
)


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file in UTF-8 or UTF-16, with or without a byte-order mark, and what was decided.

    UTF-16 without a mark is recognised by its zero bytes: half of those of plain text.

    Raises:
        UnicodeDecodeError: it is neither.

    >>> decode("C,1".encode("utf-16-be"))
    ('C,1', ('read as UTF-16 without a byte-order mark',))
    """
    for mark, encoding, note in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding), (note,) if note else ()
    wide = _wide(content[:2000])
    if wide:
        return content.decode(wide), ("read as UTF-16 without a byte-order mark",)
    return content.decode("utf-8"), ()


def _wide(start: bytes) -> str | None:
    """The kind of UTF-16, where every other byte is mostly zero."""
    even, odd = start[0::2], start[1::2]
    if not odd:
        return None
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None
