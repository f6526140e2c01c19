"""What a step along each task's own gradient does to the focal loss, one panel an encoder."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.prospect import judged_on
from gradprobe.reports.compare.ranking import Ranked, Worth, ranked, ranking_in_words
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels

_MOST = 30  # auxiliaries drawn: of more, the most helpful and the most harmful
_SHIFT = {"heldout": -0.15, "fresh": 0.15}  # of a row's height
_MARKER = {"heldout": "o", "fresh": "D"}


def draw(summary: Summary) -> Figure | None:
    """Affinities from the largest down, on held-out and on fresh rows; full: told from nothing."""
    shown = _shown(summary)
    if not shown:
        return None
    rows = {encoder.name: _rows(encoder) for encoder in shown}
    figure, axes = panels([0.4 + 0.3 * len(tasks) for tasks in rows.values()])
    for panel, encoder in zip(axes, shown, strict=True):
        tasks = rows[encoder.name]
        for outcome in encoder.decision.outcomes:
            found = {entry.task: entry for entry in ranked(outcome)}
            for place, task in enumerate(tasks):
                entry = found.get(task)
                if entry is not None:
                    _draw(panel, entry, place, outcome.rows)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_yticks(range(len(tasks)), [label(task) for task in tasks])
        panel.set_ylim(len(tasks) - 0.5, -0.5)
        panel.set_title(label(encoder.name, 40))
    axes[-1].set_xlabel("affinity")
    return figure


def describe(summary: Summary) -> str:
    """Which auxiliaries help, which harm, and which cannot be told apart from nothing."""
    said = [f"{encoder.name}: {ranking_in_words(_entries(encoder))}" for encoder in _shown(summary)]
    return f"Affinities of all tasks with the focal task. {'. '.join(said)}."


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [
        encoder
        for encoder in summary.encoders
        if any(not np.isnan(float(entry.affinity)) for entry in _entries(encoder))
    ]


def _entries(encoder: EncoderSummary) -> tuple[Ranked, ...]:
    outcome = judged_on(encoder.decision) or next(iter(encoder.decision.outcomes), None)
    return () if outcome is None else ranked(outcome)


def _rows(encoder: EncoderSummary) -> list[str]:
    tasks = [entry.task for entry in _entries(encoder)]
    return tasks if len(tasks) <= _MOST else [*tasks[: _MOST // 2], *tasks[-(_MOST // 2) :]]


def _draw(axes: Axes, entry: Ranked, place: int, rows: str) -> None:
    effect: Pooled = entry.affinity
    height, colour = place + _SHIFT[rows], _colour(entry)
    if not np.isnan(float(effect.low)):
        axes.plot([float(effect.low), float(effect.high)], [height] * 2, color=colour, linewidth=1.8)
    face = "white" if entry.worth is Worth.UNKNOWN else colour
    axes.plot([float(effect)], [height], _MARKER[rows], color=colour, markersize=5.5, markerfacecolor=face)


def _colour(entry: Ranked) -> str:
    """Blue helps, red harms; grey is the focal task itself, or not told apart from nothing."""
    named = {Worth.HELPS: colours.HELPS, Worth.HARMS: colours.HARMS}
    return named.get(entry.worth, colours.FAINT) if entry.worth is not None else colours.TEXT
