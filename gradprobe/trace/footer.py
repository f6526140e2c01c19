"""What a Parquet file claims to hold, read from its footer by hand.

pyarrow ends the process, with no exception, when it is asked for the columns of some damaged footers; and a
file of a few kilobytes can stand for gigabytes. So sizes are looked at here before pyarrow reads a file. A
footer is a Thrift structure in the compact protocol, with the field numbers of parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_ROW_GROUPS, _COLUMNS, _META, _VALUES, _UNCOMPRESSED = 4, 1, 3, 5, 6
_MAGIC = b"PAR1"
_DEEPEST = 20


def column_sizes(content: bytes) -> Iterator[int]:
    """The bytes that each column of each group of rows takes once it is read, at eight bytes a value or more.

    Raises:
        ValueError: the footer is damaged.
    """
    length = int.from_bytes(content[-8:-4], "little")
    if content[:4] != _MAGIC or content[-4:] != _MAGIC or length + 12 > len(content):
        raise ValueError("no footer of a Parquet file")
    try:
        groups = _Compact(content[-8 - length : -8]).structure()[_ROW_GROUPS]
        for group in groups:
            for column in group[_COLUMNS]:
                about = column[_META]
                yield max(8 * int(about[_VALUES]), int(about[_UNCOMPRESSED]))
    except (LookupError, TypeError) as error:
        raise ValueError("a damaged footer") from error


class _Compact:
    """A reader of Thrift's compact protocol; structures become mappings of field numbers to values."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        if depth > _DEEPEST:
            raise ValueError("a footer that is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, depth + 1) for _ in range(size)]
        if kind == 12:
            return self.structure(depth + 1)
        raise ValueError("a footer with a value of unknown type")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = self._content[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("a footer that breaks off")
        self._at += count
        return found

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 63:
                return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
