"""The figures of a dynamics report, each with the words that stand for it."""

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from gradprobe.reports.dynamics.figures import courses, homophily, propagation, wins
from gradprobe.reports.dynamics.summary import DynamicsSummary

Drawing = tuple[Callable[[DynamicsSummary], Figure | None], Callable[[DynamicsSummary], str]]

FIGURES: Mapping[str, Drawing] = {
    "courses": (courses.draw, courses.describe),
    "homophily": (homophily.draw, homophily.describe),
    "wins": (wins.draw, wins.describe),
    "propagation": (propagation.draw, propagation.describe),
}

__all__ = ["FIGURES", "Drawing"]
