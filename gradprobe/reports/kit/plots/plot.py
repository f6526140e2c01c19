"""What can be drawn: the description of a plot, which draws itself when asked. Holding it is cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plot(Protocol):
    """A plot of any kind: a frozen dataclass of the values and looks of what it shows."""

    def draw(self) -> Figure:
        """The plot on a matplotlib figure, in the style of reports."""
