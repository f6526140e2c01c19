"""A trace that is still being written, read as it grows."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradprobe.errors import TraceError
from gradprobe.geometry import conflicts, focal_cosines
from gradprobe.trace import GramianRecord, SplitName, TraceHeader
from gradprobe.trace.parts import read_gramians


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
        self._begin(None)

    def _begin(self, header: TraceHeader | None) -> None:
        self.header = header
        self.readings: dict[SplitName, deque[Reading]] = {}
        self.counts: dict[SplitName, int] = {}
        self.latest: Reading | None = None
        self.last_part: float | None = None
        self.unreadable: tuple[str, ...] = ()
        self._read: set[str] = set()

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
        found = sorted(self.path.glob("gramians-*.parquet"))
        # Read after the parts were listed, so that it describes all of them.
        header = _read_header(self.path / "header.json")
        if header is None:
            return
        if self.header is None or header.created != self.header.created:
            self._begin(header)
        self.header = header
        unreadable = []
        for part in found:
            if part.name not in self._read and not self._take(part, header):
                unreadable.append(part.name)
        self.unreadable = tuple(unreadable)
        self.last_part = max(map(_modified, self.path.glob("*.parquet")), default=self.last_part)

    def _take(self, part: Path, header: TraceHeader) -> bool:
        try:
            records = read_gramians(part, header)
        except TraceError:
            return False
        self._read.add(part.name)
        for record in records:
            self.latest = _reading(record, header.focal)
            self.readings.setdefault(record.split, deque(maxlen=self._history)).append(self.latest)
            self.counts[record.split] = self.counts.get(record.split, 0) + 1
        return True


def _read_header(path: Path) -> TraceHeader | None:
    """The header, or None while it is not there or being written."""
    try:
        return TraceHeader.from_json(path.read_text(encoding="utf-8"), source=path.name)
    except (OSError, UnicodeDecodeError):
        return None
    except TraceError as error:
        if isinstance(error.__cause__, json.JSONDecodeError):
            return None
        raise


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
