"""Names beside the points of a plot, where they cover least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

Box = tuple[float, float, float, float]
# Points: the size of names, and about how much room a letter takes.
_SIZE, _LETTER, _HEIGHT = 8.0, 4.6, 8.0


def name_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Names beside points, where they cover the fewest other names and points; limits must be set before."""
    to_dots = axes.transData.transform(np.asarray(points, dtype=np.float64).reshape(-1, 2))
    dots = to_dots * 72.0 / axes.figure.dpi
    taken = [(x - 3.0, y - 3.0, x + 3.0, y + 3.0) for x, y in dots]
    for (x, y), point, name in zip(dots, points, names, strict=True):
        width = _LETTER * len(name)
        places = [
            (dx, dy, side)
            for dy in (4.0, -11.0, 10.0, -17.0, -3.5)
            for dx, side in ((5.0, "left"), (-5.0, "right"))
        ]
        boxes = [
            (x + dx - (width if side == "right" else 0.0), y + dy, _HEIGHT, width) for dx, dy, side in places
        ]
        areas = [(left, low, left + wide, low + high) for left, low, high, wide in boxes]
        best = min(range(len(areas)), key=lambda i: sum(_overlap(areas[i], other) for other in taken))
        dx, dy, side = places[best]
        taken.append(areas[best])
        axes.annotate(name, point, (dx, dy), textcoords="offset points", fontsize=_SIZE, ha=side, va="bottom")


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes (left, low, right, high) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
