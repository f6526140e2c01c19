"""Effective rank of the representation, as the representation probe recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.reports.statistics.seeds import Band, OverSeeds, band, over_seeds
from gradprobe.trace import QuantityRecord, SplitName, Trace

_PREFERRED: tuple[SplitName, ...] = ("heldout", "train", "minibatch")


@dataclass(frozen=True)
class Rank:
    """Effective rank over one split: raw and centred, before training and at the last measurement.

    `most` is min(rows, width), which no effective rank exceeds. NaN where it was not measured.
    """

    split: SplitName
    raw: OverSeeds
    centred: OverSeeds
    before: OverSeeds
    rows: int
    width: int
    course: Band

    @property
    def most(self) -> int:
        """The largest value possible."""
        return min(self.rows, self.width)


def rank_of(traces: Sequence[Trace]) -> Rank | None:
    """The effective rank over the seeds of an encoder; None if no trace recorded one."""
    found = [_recorded(trace, "effective_rank") for trace in traces]
    splits = {record.split for records in found for record in records}
    split = next((name for name in _PREFERRED if name in splits), None)
    if split is None:
        return None
    raw = [_by_step(records, split) for records in found]
    centred = [_by_step(_recorded(trace, "effective_rank_centred"), split) for trace in traces]
    return Rank(
        split=split,
        raw=over_seeds(_last(raw)),
        centred=over_seeds(_last(centred)),
        before=over_seeds([course[-1] for course in raw if -1 in course]),
        rows=_size(traces, "representation_rows", split),
        width=_size(traces, "representation_width", split),
        course=band(raw),
    )


def _recorded(trace: Trace, name: str) -> list[QuantityRecord]:
    return [record for record in trace.quantities if record.name == name]


def _by_step(records: Sequence[QuantityRecord], split: SplitName) -> dict[int, float]:
    return {record.step: record.value for record in records if record.split == split}


def _last(courses: Sequence[dict[int, float]]) -> list[float]:
    return [course[max(course)] for course in courses if course]


def _size(traces: Sequence[Trace], name: str, split: SplitName) -> int:
    sizes = [r.value for trace in traces for r in _recorded(trace, name) if r.split == split]
    return int(np.max(sizes)) if sizes else 0
