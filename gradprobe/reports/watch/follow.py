"""A trace that is still being written, read as it grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradprobe.geometry import conflicts, focal_cosines
from gradprobe.trace import GramianRecord, SplitName, TraceHeader, TraceTail


@dataclass(frozen=True)
class Reading:
    """What is shown of one measurement; `cosines` are those of the focal gradient, by auxiliary."""

    step: int
    epoch: int | None
    cosines: Mapping[str, float]
    negative_fraction: float


class Following:
    """The latest readings of each split of a trace, at most `history` of them.

    Every part is read once, when it is there; the folder need not exist yet. A part that cannot be
    read is named in `unreadable` and tried again. A new trace in the same folder starts everything
    anew. `last_part` is the time (seconds since the epoch) at which the newest part was written.
    """

    def __init__(self, path: str | Path, *, history: int) -> None:
        self.path = Path(path)
        self._history = history
        self._tail = TraceTail(self.path)
        self.last_part: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._started = self._tail.started
        self.readings: dict[SplitName, deque[Reading]] = {}
        self.counts: dict[SplitName, int] = {}
        self.latest: Reading | None = None

    @property
    def header(self) -> TraceHeader | None:
        """The trace's header, None until there is one."""
        return self._tail.header

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The names of parts that cannot be read."""
        return self._tail.unreadable

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """The tasks besides the focal one, as far as the trace knows them."""
        header = self.header or TraceHeader()
        return tuple(task for task in header.tasks if task != header.focal)

    def poll(self) -> None:
        """Read what was written since the last poll.

        Raises:
            TraceError: the folder holds something other than a trace, or one of a later version.
        """
        records = self._tail.read()
        if self._tail.started != self._started:
            self._begin()
        for record in records:
            self.latest = _reading(record, (self.header or TraceHeader()).focal)
            self.readings.setdefault(record.split, deque(maxlen=self._history)).append(self.latest)
            self.counts[record.split] = self.counts.get(record.split, 0) + 1
        self.last_part = max(map(_modified, self.path.glob("*.parquet")), default=self.last_part)


def _reading(record: GramianRecord, focal: str) -> Reading:
    gramian = record.gramian.by_task()
    if focal not in gramian.tasks:
        return Reading(record.step, record.epoch, {}, float("nan"))
    row = gramian.tasks.index(focal)
    others = [task for task in gramian.tasks if task != focal]
    cosines = focal_cosines(gramian.total, row).values
    return Reading(
        step=record.step,
        epoch=record.epoch,
        cosines=dict(zip(others, map(float, cosines), strict=True)),
        negative_fraction=conflicts(gramian.total, row).fraction,
    )


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
