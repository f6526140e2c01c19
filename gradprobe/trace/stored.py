"""Records in order: those in finished parts are read when they are asked for, the others are in memory."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from gradprobe.errors import TraceError
from gradprobe.trace.manifest import Part
from gradprobe.trace.parts import size_of
from gradprobe.trace.records import GramianRecord, MoleculeRecord, QuantityRecord

R = TypeVar("R", GramianRecord, QuantityRecord, MoleculeRecord)
# What is read stays in memory up to this size, so that a short trace is read once.
KEPT_BYTES = 128_000_000


class StoredRecords(Sequence[R], Generic[R]):
    """The records of one kind of a trace: `parts` of them lie on disk, `pending` ones do not yet.

    Reading a record reads its part; the parts read last are kept, up to 128 MB. Equal to any sequence of
    the same records.
    """

    def __init__(self, read: Callable[[Part], list[R]]) -> None:
        self._read: Callable[[Part], list[R]] = read
        self._kept: OrderedDict[str, tuple[list[R], int]] = OrderedDict()
        self.parts: list[Part] = []
        self.pending: list[R] = []

    def append(self, record: R) -> None:
        """Add a record to those that are not on disk yet."""
        self.pending.append(record)

    def take(self, part: Part, records: list[R]) -> None:
        """Add a part that was read."""
        self.parts.append(part)
        self._keep(part, records)

    def readable(self) -> Iterator[R]:
        """The records in order; parts that cannot be read any more are left out, with a warning each."""
        for part in tuple(self.parts):
            try:
                records = self._records_in(part)
            except TraceError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
                continue
            yield from records
        yield from self.pending

    def clear(self) -> None:
        """Forget everything."""
        self.parts, self.pending = [], []
        self._kept.clear()

    def __len__(self) -> int:
        return sum(part.records for part in self.parts) + len(self.pending)

    def __iter__(self) -> Iterator[R]:
        # A run may write or compact between two records: what is read next is looked up anew.
        at = 0
        while at < len(self):
            records, first = self._part_of(at)
            yield from records[at - first :]
            at = first + len(records)

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> list[R]: ...

    def __getitem__(self, index: int | slice) -> R | list[R]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        records, first = self._part_of(at)
        return records[at - first]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} records, {len(self.pending)} of them not on disk>"

    def _part_of(self, at: int) -> tuple[list[R], int]:
        """The records that lie together with record `at`, and the number of the first of them."""
        first = 0
        for part in self.parts:
            if at < first + part.records:
                return self._records_in(part), first
            first += part.records
        return self.pending, first

    def _records_in(self, part: Part) -> list[R]:
        if part.name in self._kept:
            self._kept.move_to_end(part.name)
            return self._kept[part.name][0]
        records: list[R] = self._read(part)
        self._keep(part, records)
        return records

    def _keep(self, part: Part, records: list[R]) -> None:
        """Remember what a part holds, and forget what was read longest ago where that is too much."""
        self._kept[part.name] = records, sum(map(size_of, records))
        self._kept.move_to_end(part.name)
        size = sum(size for _, size in self._kept.values())
        while size > KEPT_BYTES:
            size -= self._kept.popitem(last=False)[1][1]
