"""What a comparison will take, roughly, before it starts."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from gradprobe.data import MoleculeTable
from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, CellKey, Point
from gradprobe.studies.config import StudyConfig

# Multiplications forward and backward for each parameter that a row meets.
_PASSES = 6
# Bonds of an ordinary molecule, both directions: how often a graph encoder's weights are used for one.
_BONDS = 50
# Adam, evaluation, Python and the probe beside the products themselves; measured on studies of the embedded
# data.
_OVERHEAD = 3.0
_FINGERPRINT = 2048


def estimated_cost(config: StudyConfig, table: MoleculeTable, cells: Sequence[CellKey]) -> tuple[str, ...]:
    """Steps, rows and, within a factor of about three, processor time of the cells of a study.

    Time is that of products of matrices of the size of a step, timed here for a moment, and ends where early
    stopping does not.
    """
    each = Counter((key.axes, key.encoder, key.combiner == SINGLE_TASK) for key in cells)
    sizes = {
        (point, alone): _size(config.at(point), table, _labels(table, point, alone=alone))
        for point, _, alone in each
    }
    rate = _products_a_second()
    seconds = sum(
        count * sizes[point, alone][0] * _products(config, encoder, sizes[point, alone][1]) / rate
        for (point, encoder, alone), count in each.items()
    )
    steps, rows = (max(size[place] for size in sizes.values()) for place in (0, 1))
    labels = sum(len(own.rows) for own in table.labelled.values())
    return (
        f"{len(cells)} cells of at most {steps} steps with up to {rows:,} rows; {labels:,} labels of "
        f"{len(table.tasks)} tasks",
        f"about {_duration(seconds)} of one core without early stopping, more or less threefold",
    )


def _labels(table: MoleculeTable, point: Point, *, alone: bool) -> list[int]:
    """The numbers of labels of a cell's tasks, the focal one first."""
    count = dict(point).get(AUXILIARIES, len(table.tasks) - 1)
    tasks = table.tasks[: 1 if alone else 1 + int(count or 0)]
    return [len(table.of(task).rows) for task in tasks]


def _size(config: StudyConfig, table: MoleculeTable, labels: Sequence[int]) -> tuple[int, int]:
    """The steps of a cell, and the rows of a step."""
    steps = config.epochs * math.ceil(0.8 * table.count(config.focal) / config.batch_size)
    rows = sum(min(config.batch_size, count) for count in labels)
    return steps, config.batch_size if config.batching == "union" else rows


def _products(config: StudyConfig, encoder: str, rows: int) -> float:
    """The multiplications of a step."""
    spec, options = config.encoder(encoder)
    width, depth = int(getattr(options, "width", 256)), int(getattr(options, "depth", 3))
    weights = (
        _FINGERPRINT * width + (depth - 1) * width**2 if spec.name == "mlp" else _BONDS * depth * width**2
    )
    return _OVERHEAD * _PASSES * weights * rows


def _products_a_second() -> float:
    """Multiplications a second of one core's product of matrices of 256."""
    matrix = np.ones((256, 256), dtype=np.float32)
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < 0.02:
        matrix @ matrix
        count += 1
    return count * 256**3 / spent


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(42), _duration(4000)
    ('1 minute', '1.1 hours')
    """
    if seconds < 90:
        return "1 minute"
    return f"{seconds / 60:.0f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
