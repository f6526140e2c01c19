"""One figure of the report: how it is drawn, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from gradprobe.reports.compare.summary import Summary


@dataclass(frozen=True)
class Plate:
    """A figure under its file name; both functions see nothing but the summary.

    `draw` returns None where the summary holds nothing to draw. `describe` gives the text for those
    who do not see the figure, with its main numbers.
    """

    name: str
    draw: Callable[[Summary], Figure | None]
    describe: Callable[[Summary], str]
