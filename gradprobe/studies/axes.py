"""The axes along which a comparison varies its options: `batch_size=64,128`, `auxiliaries=0,1,3`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from gradprobe.errors import InputError
from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, CellKey, Point, Scalar

# What `auxiliaries` calls all of them, however many a table has.
ALL = "all"
# Options that change how a cell is trained or measured, and nothing about the table or the grid.
OPTIONS = (
    "batch_size",
    "batching",
    "epochs",
    "learning_rate",
    "weight_decay",
    "patience",
    "split",
    "probe_every",
    "heldout_every",
    "probe_rows",
    "heldout_rows",
    "precision",
)
Axes = Mapping[str, tuple[Scalar, ...]]


def read_axes(texts: Sequence[str]) -> dict[str, list[str]]:
    """Axes as the command line has them, `NAME=VALUE,VALUE`; values are checked by the configuration.

    Raises:
        InputError: a text of another form, or an axis named twice.

    >>> read_axes(["batch_size=64,128", "auxiliaries=0,all"])
    {'batch_size': ['64', '128'], 'auxiliaries': ['0', 'all']}
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not (name and equals and values):
            raise InputError(f"vary: expected NAME=VALUE,VALUE such as batch_size=64,128, got {text!r}")
        if name in axes:
            raise InputError(f"vary: expected each axis once, got {name!r} twice; give all values at once")
        axes[name] = [value.strip() for value in values.split(",")]
    return axes


def auxiliary_counts(values: Sequence[object]) -> tuple[Scalar, ...]:
    """Numbers of auxiliaries, or `all`, as an axis has them.

    Raises:
        InputError: a value that is neither.
    """
    counts: list[Scalar] = []
    for value in values:
        text = str(value)
        if text != ALL and not text.isdecimal():
            raise InputError(
                f"vary: expected numbers of auxiliaries from 0 on, or {ALL!r}, got {AUXILIARIES}={text}"
            )
        counts.append(text if text == ALL else int(text))
    return tuple(dict.fromkeys(counts))


def settled(axes: Axes, auxiliaries: int) -> dict[str, tuple[Scalar, ...]]:
    """The axes for a table with so many auxiliaries: `all` becomes their number.

    Raises:
        InputError: more auxiliaries are asked for than there are.
    """
    counts = dict.fromkeys(auxiliaries if value == ALL else value for value in axes.get(AUXILIARIES, ()))
    for count in counts:
        if isinstance(count, int) and count > auxiliaries:
            raise InputError(
                f"vary: expected at most the table's {auxiliaries} auxiliaries, got "
                f"{AUXILIARIES}={count}; name others with --vary"
            )
    return {name: tuple(counts) if name == AUXILIARIES else values for name, values in axes.items()}


def points(axes: Axes, base: Mapping[str, Scalar], *, one_at_a_time: bool) -> tuple[Point, ...]:
    """The points of the grid over all axes, or those on each axis with all others at the study's own options.

    A point holds what differs from the study's own options, `base`, and nothing else: so a cell is the same
    whichever axes a study is asked for, and an axis can be added to a study that has run.
    """
    if one_at_a_time:
        found = [{name: value} for name, values in axes.items() for value in values]
    else:
        found = [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]
    return tuple(dict.fromkeys(as_point(point, base) for point in found))


def as_point(values: Mapping[str, Scalar], base: Mapping[str, Scalar]) -> Point:
    """The point with these values of options, in an order that does not depend on how they were given."""
    return tuple(sorted((name, value) for name, value in values.items() if value != base[name]))


def cells(
    points: Sequence[Point],
    *,
    seeds: int,
    encoders: Sequence[str],
    combiners: Sequence[str],
    single_task: bool,
) -> tuple[CellKey, ...]:
    """The cells of a comparison at some points; seeds change slowest, then points.

    Without auxiliaries there is nothing to combine: the focal task alone stands in for every combiner, and it
    is the same whatever the number of auxiliaries.
    """
    keys = []
    for seed, point, encoder in itertools.product(range(seeds), points, encoders):
        alone = dict(point).get(AUXILIARIES) == 0
        names = (*((SINGLE_TASK,) if single_task or alone else ()), *(() if alone else combiners))
        for name in names:
            own = tuple(pair for pair in point if name != SINGLE_TASK or pair[0] != AUXILIARIES)
            keys.append(CellKey(axes=own, encoder=encoder, combiner=name, seed=seed))
    return tuple(dict.fromkeys(keys))
