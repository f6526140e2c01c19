"""What an experiment logger is shown of a measurement."""

from __future__ import annotations

import math

from gradprobe.geometry import conflict_energy, conflicts, focal_cosines, gradient_overlap
from gradprobe.trace import GramianRecord


def scalars(record: GramianRecord, *, focal: str) -> dict[str, float]:
    """Names and values of a measurement's main numbers, such as `gradprobe/heldout/cosine/logP`.

    The cosine of the focal gradient with each auxiliary's, the fraction of them below zero, overlap,
    conflict energy and conflict energy per pair, under the names of the trace's frame. Undefined numbers
    are left out: a gap in a curve is honest, a zero is not.
    """
    gramian = record.gramian.by_task()
    total, tasks = gramian.total, gramian.tasks
    energy, per_pair = conflict_energy(total)
    numbers = {
        "overlap": float(gradient_overlap(total)),
        "conflict_energy": float(energy),
        "conflict_energy_per_pair": float(per_pair),
    }
    if focal in tasks:
        row = tasks.index(focal)
        others = [task for task in tasks if task != focal]
        cosines = focal_cosines(total, row).values
        numbers |= {f"cosine/{task}": float(value) for task, value in zip(others, cosines, strict=True)}
        numbers["negative_fraction"] = conflicts(total, row).fraction
    prefix = f"gradprobe/{record.split}/"
    return {prefix + name: value for name, value in numbers.items() if not math.isnan(value)}
