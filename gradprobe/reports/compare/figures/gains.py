"""What each combiner would have gained for the focal task: a forest plot, one panel an encoder and rows."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.decision import Outcome, Prediction
from gradprobe.reports.compare.prospect import MARGIN, pooled_of, relative
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels

_OVER_AVERAGE, _OVER_CONTROL = -0.17, 0.17  # of a row's height


def draw(summary: Summary) -> Figure | None:
    """Gains over averaging (diamond) and over the control (dot) with intervals; the margin shaded."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, axes = panels([0.4 + 0.34 * len(_tried(outcome)) for _, outcome in shown])
    for panel, (name, outcome) in zip(axes, shown, strict=True):
        unit = _unit(outcome)
        if unit != 1.0:
            panel.axvspan(-100.0 * MARGIN, 100.0 * MARGIN, color=colours.GRID, alpha=0.6, linewidth=0)
        tried = _tried(outcome)
        for row, prediction in enumerate(tried):
            _draw(panel, prediction, row, unit)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_yticks(range(len(tried)), [label(each.combiner) for each in tried])
        panel.set_ylim(len(tried) - 0.5, -0.5)
        panel.set_title(f"{label(name, 28)}, {outcome.name}")
        panel.set_xlabel("% of averaging's effect" if unit != 1.0 else "first-order decrease of focal loss")
    return figure


def describe(summary: Summary) -> str:
    """Every combiner's gain over averaging and over the control."""
    said = []
    for name, outcome in _shown(summary):
        average = pooled_of(outcome.average.equal_length.effect)
        parts = [
            f"{each.combiner} {relative(over_average, average)} over averaging, "
            f"{relative(over_control, average)} over the control"
            for each in _tried(outcome)
            for over_average, over_control in [_gains(each)]
        ]
        said.append(f"{name}, {outcome.name}: {'; '.join(parts)}")
    return f"Predicted gains for the focal task with 95% intervals. {'. '.join(said)}."


def _shown(summary: Summary) -> list[tuple[str, Outcome]]:
    return [
        (encoder.name, outcome)
        for encoder in summary.encoders
        for outcome in encoder.decision.outcomes
        if _tried(outcome)
    ]


def _tried(outcome: Outcome) -> list[Prediction]:
    return [
        each
        for each in outcome.predictions
        if each.gain is not None and not np.isnan(float(each.gain.equal_length.gain))
    ]


def _gains(prediction: Prediction) -> tuple[Pooled, Pooled]:
    assert prediction.gain is not None
    compared = prediction.gain.equal_length
    return pooled_of(compared.gain), pooled_of(compared.gain_over_control)


def _unit(outcome: Outcome) -> float:
    """One per cent of averaging's effect where that is told from zero, else 1."""
    effect = outcome.average.equal_length.effect
    return float(effect) / 100.0 if float(effect.low) > 0.0 else 1.0


def _draw(axes: Axes, prediction: Prediction, row: int, unit: float) -> None:
    colour = colours.of_combiner(prediction.combiner)
    places = zip(_gains(prediction), (_OVER_AVERAGE, _OVER_CONTROL), ("D", "o"), (1.2, 2.2), strict=True)
    for gain, shift, marker, width in places:
        if not np.isnan(float(gain.low)):
            ends = [float(gain.low) / unit, float(gain.high) / unit]
            axes.plot(ends, [row + shift] * 2, color=colour, linewidth=width)
        fill = "none" if marker == "D" else "full"
        axes.plot([float(gain) / unit], [row + shift], marker, color=colour, markersize=5.5, fillstyle=fill)
