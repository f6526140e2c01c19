"""What an experiment logger is shown of a measurement."""

from __future__ import annotations

import math

from gradprobe.geometry import conflict_energy, conflicts, focal_cosines, gradient_overlap
from gradprobe.trace import GramianRecord


def scalars(record: GramianRecord, *, focal: str) -> dict[str, float]:
    """Names and values of a measurement's main numbers, such as `gradprobe/heldout/cosine/logP`.

    The cosine of the focal gradient with each auxiliary's, the fraction of them below zero, overlap
    and conflict energy per pair. Undefined numbers are left out: a gap in a curve is honest, a zero
    is not.
    """
    gramian = record.gramian.by_task()
    total, tasks = gramian.total, gramian.tasks
    found = {
        "overlap": float(gradient_overlap(total)),
        "conflict_energy": float(conflict_energy(total)[1]),
    }
    if focal in tasks:
        row = tasks.index(focal)
        others = [task for task in tasks if task != focal]
        cosines = focal_cosines(total, row).values
        found |= {f"cosine/{task}": float(value) for task, value in zip(others, cosines, strict=True)}
        found["negative_fraction"] = conflicts(total, row).fraction
    prefix = f"gradprobe/{record.split}/"
    return {prefix + name: value for name, value in found.items() if not math.isnan(value)}
