"""Which parts of a trace to merge: a long run leaves tens of files, and no record is rewritten often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from gradprobe.trace.manifest import Part

FAN_IN = 16
# Parts of this size stay as they are, and no merge makes one of twice the size.
LARGE_BYTES = 32_000_000
# The level of a part that cannot be read.
NEVER_MERGED = 1000


@dataclass(frozen=True)
class Merge:
    """The parts `start` to `stop` of a list become one of a level."""

    start: int
    stop: int
    level: int


def next_merge(parts: Sequence[Part]) -> Merge | None:
    """The merge that is due, if any: of the last 16 parts of one level, as many as stay small together.

    A part of level k was merged k times, so n parts become about 16 log_16(n) and every record is rewritten
    log_16(n) times. Large parts are never touched again.

    >>> parts = [Part(f"gramians-{k:06d}.parquet", k, 1, 1000, "") for k in range(16)]
    >>> next_merge(parts), next_merge(parts[1:])
    (Merge(start=0, stop=16, level=1), None)
    """
    small = list(takewhile(_is_small, reversed(parts)))
    run = list(takewhile(lambda part: part.level == small[0].level, small)) if small else []
    if len(run) < FAN_IN:
        return None
    start, size, stop = len(parts) - len(run), 0, len(parts) - len(run)
    while stop < len(parts) and size + parts[stop].size <= 2 * LARGE_BYTES:
        size += parts[stop].size
        stop += 1
    return Merge(start, stop, run[0].level + 1)


def _is_small(part: Part) -> bool:
    return part.size < LARGE_BYTES and part.level != NEVER_MERGED
