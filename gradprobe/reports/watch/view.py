"""The live view of a running trace in a terminal."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gradprobe.errors import InputError
from gradprobe.reports.kit.numbers import ABSENT, number
from gradprobe.reports.kit.words import SPLIT_NAMES, count, shorten
from gradprobe.reports.watch.follow import Following, Reading
from gradprobe.reports.watch.sparkline import sparkline
from gradprobe.trace import SplitName

_HISTORY, _FEWEST_BARS = 32, 7  # bars of a sparkline; the column's title needs seven characters
_NAME_WIDTH, _VALUE_WIDTH, _PADDING = 32, 9, 3
_OTHER_LINES = 11  # of the view, besides one line an auxiliary
_SPLITS: tuple[SplitName, ...] = ("minibatch", "train", "heldout")
_FRACTION = "share below zero"
_SMALLEST_SPAN = 0.05  # rounding noise around zero is not blown up to full height


def watch(
    trace_path: str | Path,
    console: Console,
    *,
    refresh_seconds: float = 1.0,
    until: Callable[[], bool] | None = None,
) -> None:
    """Follow a running trace: its focal cosines by auxiliary, conflict fraction and last step.

    Waits where there is no trace yet, and reads only what is new. Ends when `until` says so after a
    refresh, or with Ctrl-C; the last view stays on the screen.

    Raises:
        InputError: the path is a file or a study, or the interval is negative.
        TraceError: the folder holds something other than a trace, or one of a later version.
    """
    if not 0 <= refresh_seconds < math.inf:
        raise InputError(f"refresh_seconds: expected seconds from 0 on, got {refresh_seconds}")
    _check_path(Path(trace_path))
    following = Following(trace_path, history=_HISTORY)
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                following.poll()
                live.update(view(following, console.size, now=time.time()), refresh=True)
                if until is not None and until():
                    return
                time.sleep(refresh_seconds)
    except KeyboardInterrupt:
        return


def view(following: Following, size: ConsoleDimensions, *, now: float) -> RenderableType:
    """The view of what was read so far, at the time `now`, for a terminal of that size."""
    if following.header is None:
        return _line(f"waiting for a trace in {following.path}")
    if following.latest is None:
        return Group(_title(following), Text("no measurement yet", style="dim"))
    return Group(_title(following), _status(following, now), _table(following, size))


def _check_path(path: Path) -> None:
    if path.is_file():
        raise InputError(f"trace_path: expected the folder of a trace, got the file {path}")
    if (path / "study.json").is_file():
        raise InputError(
            f"trace_path: expected the folder of one trace, got the study {path}; "
            f"name one of its cells': {path / 'cells'}/.../trace"
        )


def _title(following: Following) -> Text:
    focal = following.header.focal if following.header else ""
    return _line(str(following.path), "bold").append(
        f" · focal task {focal}" if focal else " · no focal task was named", style="dim"
    )


def _status(following: Following, now: float) -> Text:
    latest = following.latest
    parts = []
    if latest is not None:
        parts.append(f"step {latest.step}" + ("" if latest.epoch is None else f", epoch {latest.epoch}"))
    parts += [
        f"{SPLIT_NAMES[split]} {following.counts[split]}" for split in _SPLITS if split in following.counts
    ]
    if following.last_part is not None:
        parts.append(f"last part {_duration(now - following.last_part)} ago")
    status = _line(" · ".join(parts))
    if following.unreadable:
        damage = f" · {count(len(following.unreadable), 'part')} cannot be read"
        status.append(damage, style="yellow")
    return status


def _table(following: Following, size: ConsoleDimensions) -> RenderableType:
    tasks = following.auxiliaries[: max(size.height - _OTHER_LINES, 1)]
    names = [shorten(task, min(_NAME_WIDTH, size.width // 4)) for task in tasks]
    readings = _latest(
        following, _bars(size.width, max(map(len, (*names, _FRACTION))), len(following.readings))
    )
    span = _span(itertools.chain(*readings.values()))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("auxiliary", no_wrap=True)
    for split, series in readings.items():
        table.add_column(SPLIT_NAMES[split], justify="right", no_wrap=True)
        table.add_column(f"last {len(series)}", no_wrap=True)
    for task, name in zip(tasks, names, strict=True):
        cells = [_cosine_cells(series, task, span) for series in readings.values()]
        table.add_row(Text(name), *itertools.chain(*cells))
    if hidden := len(following.auxiliaries) - len(tasks):
        table.add_row(Text(f"… {hidden} more", style="dim"))
    table.add_section()
    cells = [_fraction_cells(series) for series in readings.values()]
    table.add_row(_FRACTION, *itertools.chain(*cells))
    return Group(
        table, _line(f"Cosines with the focal gradient; bars reach {number(span)} either way.", "dim")
    )


def _bars(width: int, names: int, splits: int) -> int:
    """How many bars fit into a sparkline, beside the names and one number a split."""
    left = width - (names + _PADDING) - splits * (_VALUE_WIDTH + 2 * _PADDING)
    return min(max(left // splits, _FEWEST_BARS), _HISTORY)


def _latest(following: Following, most: int) -> dict[SplitName, tuple[Reading, ...]]:
    found = following.readings
    return {split: tuple(found[split])[-most:] for split in _SPLITS if split in found}


def _cosine_cells(readings: Sequence[Reading], task: str, span: float) -> tuple[Text, Text]:
    series = [reading.cosines.get(task, math.nan) for reading in readings]
    return _value(series, signed=True), Text(sparkline(series, low=-span, high=span))


def _fraction_cells(readings: Sequence[Reading]) -> tuple[Text, Text]:
    series = [reading.negative_fraction for reading in readings]
    return _value(series, signed=False), Text(sparkline(series, low=0.0, high=1.0))


def _value(series: Sequence[float], *, signed: bool) -> Text:
    """The last defined value; a task need not be in every batch."""
    defined = [value for value in series if not math.isnan(value)]
    if not defined:
        return Text(ABSENT)
    negative = signed and defined[-1] < 0
    return Text(number(defined[-1], signed=signed, digits=2), style="bold" if negative else "")


def _span(readings: Iterable[Reading]) -> float:
    """The largest cosine shown, either way: one scale for all sparklines."""
    sizes = [abs(cosine) for reading in readings for cosine in reading.cosines.values()]
    return max([_SMALLEST_SPAN, *(size for size in sizes if not math.isnan(size))])


def _line(text: str, style: str = "") -> Text:
    """Text that is cut off rather than wrapped, so that the view keeps its height."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _duration(seconds: float) -> str:
    """A duration in its largest unit.

    >>> _duration(3.2), _duration(150), _duration(7300)
    ('3 s', '2 min', '2 h')
    """
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h"
