"""What a comparison will take, roughly, before it starts."""

from __future__ import annotations

import math
import time

import numpy as np

from gradprobe.data import MoleculeTable
from gradprobe.studies.config import StudyConfig

# Multiplications forward and backward for each parameter that a row meets.
_PASSES = 6
# Bonds of an ordinary molecule, both directions: how often a graph encoder's weights are used for one.
_BONDS = 50
# Adam, evaluation, Python and the probe beside the products themselves; measured on studies of the embedded
# data.
_OVERHEAD = 3.0
_FINGERPRINT = 2048


def estimated_cost(config: StudyConfig, table: MoleculeTable) -> tuple[str, ...]:
    """Steps, rows and, within a factor of about three, processor time and memory of a study.

    Time is that of products of matrices of the size of a step, timed here for a moment, and ends where early
    stopping does not.
    """
    steps = config.epochs * math.ceil(0.8 * table.count(config.focal) / config.batch_size)
    rows = sum(min(config.batch_size, len(own.rows)) for own in table.labelled.values())
    if config.batching == "union":
        rows = config.batch_size
    cells = config.seeds * len(config.encoders) * (len(config.combiners) + config.single_task)
    seconds = (
        sum(_seconds(config, name, rows) for name in config.encoders) * steps * cells / len(config.encoders)
    )
    labels = sum(len(own.rows) for own in table.labelled.values())
    return (
        f"{cells} cells of at most {steps} steps with up to {rows:,} rows; {labels:,} labels of "
        f"{len(table.tasks)} tasks",
        f"about {_duration(seconds)} of one core without early stopping, more or less threefold",
    )


def _seconds(config: StudyConfig, encoder: str, rows: int) -> float:
    spec, options = config.encoder(encoder)
    width, depth = int(getattr(options, "width", 256)), int(getattr(options, "depth", 3))
    weights = (
        _FINGERPRINT * width + (depth - 1) * width**2 if spec.name == "mlp" else _BONDS * depth * width**2
    )
    return _OVERHEAD * _PASSES * weights * rows / _products_a_second()


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
