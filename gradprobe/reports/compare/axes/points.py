"""Which cells stand at one point of a study's axes."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, Point
from gradprobe.reports.compare.source import Cell


def at_reference(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells at the study's own options, where there are some, else those at its first point.

    The sections that compare encoders and combiners with each other show these.
    """
    trained = [cell.key.axes for cell in cells if cell.key.combiner != SINGLE_TASK]
    points = trained or [cell.key.axes for cell in cells]
    reference = () if () in points or not points else points[0]
    return tuple(cell for cell in cells if cell.key.axes == _of(reference, cell))


def _of(point: Point, cell: Cell) -> Point:
    """The point as this cell has it: the focal task alone is the same for any number of auxiliaries."""
    if cell.key.combiner != SINGLE_TASK:
        return point
    return tuple((name, value) for name, value in point if name != AUXILIARIES)
