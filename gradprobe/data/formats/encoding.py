"""Bytes to text, whatever program saved them."""

from __future__ import annotations

import codecs
import re

from gradprobe.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    # Before UTF-16, whose mark theirs begins with.
    (codecs.BOM_UTF32_LE, "utf-32", "read as UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "read as UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "read as UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "read as UTF-16"),
)
_KINDS = {
    b"\x1f\x8b": "a gzipped file: end its name in .gz",
    b"PK\x03\x04": "a zip archive or an Excel workbook: end its name in .zip or .xlsx",
    b"PAR1": "a Parquet file: end its name in .parquet",
    b"ARROW1": "a Feather file: end its name in .feather",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as .xlsx",
}
# The letters beyond ASCII that Western exports hold in Windows-1252: signs, Latin letters with accents.
_WESTERN = frozenset(
    "µ°±²³·×÷–—‘’“”•…™®©§€£ß" + "äöüÄÖÜàáâãåçèéêëìíîïñòóôõùúûýÿÀÁÂÃÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÙÚÛÝ" + "\xa0‰ªº¹¼½¾"
)
_SIGNS = frozenset("µ°±ß²³·×÷–—‘’“”•…™®©§€£\xa0‰ªº¹¼½¾")


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file in UTF-8, UTF-16, UTF-32 or Windows-1252, and what was decided.

    UTF-16 without a byte-order mark is recognised by its zero bytes: half of those of plain text. Other text
    is Windows-1252 if each byte beyond ASCII is then a sign such as µ or ±, or a letter of a Western word.

    Raises:
        InputError: the bytes are those of another kind of file.
        UnicodeDecodeError: no text in any of these encodings.

    >>> decode("C,1".encode("utf-16-be"))
    ('C,1', ('read as UTF-16 without a byte-order mark',))
    >>> decode("IC50 (µM)".encode("cp1252"))
    ('IC50 (µM)', ('read as Windows-1252: it is not UTF-8',))
    """
    for start, kind in _KINDS.items():
        if content.startswith(start):
            raise InputError(f"path: expected text, got {kind}")
    for mark, encoding, note in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding), (note,) if note else ()
    wide = _wide(content[:2000])
    if wide:
        return content.decode(wide), ("read as UTF-16 without a byte-order mark",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        text = _western(content)
        if text is None:
            raise
        return text, ("read as Windows-1252: it is not UTF-8",)


def _western(content: bytes) -> str | None:
    """The text in Windows-1252, or None where it would hold what a Western export does not.

    Text of other encodings read so is a run of signs and accents; in Western words they stand alone.
    """
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    for run in re.findall(r"[^\x00-\x7f]+", text):
        if not _WESTERN.issuperset(run) or (len(run) > 2 or (len(run) == 2 and not _SIGNS & set(run))):
            return None
    # Accents that touch no ASCII letter belong to another alphabet, or were ± on DOS; a Mac's ≤ reads as ²
    # before its number. The µ and ° of DOS read as æ and ø, which are therefore not Western here.
    alone = re.search(r"(?<![A-Za-z])[^\W\d_µªº²³¹¼½¾a-zA-Zß](?![A-Za-zß])|(?<![A-Za-z0-9)])[²³]", text)
    return None if alone else text


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
