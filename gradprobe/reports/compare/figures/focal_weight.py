"""Whether surgery does more than a larger focal weight: the skeptic's curve, one panel an encoder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.reports.compare.decision import Outcome, Prediction
from gradprobe.reports.compare.prospect import pooled_of, relative
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import headroom, label, panels
from gradprobe.reports.kit.numbers import number

_HEIGHT = 2.4


def draw(summary: Summary) -> Figure | None:
    """The gain of averaging at every focal share as a line, combiners as dots at theirs."""
    shown = _shown(summary)
    if not shown:
        return None
    figure, axes = panels([_HEIGHT] * len(shown), share_x=True)
    for panel, (name, outcome) in zip(axes, shown, strict=True):
        _draw(panel, outcome)
        panel.set_title(f"{label(name, 28)}, {outcome.name}")
        headroom(panel)
    axes[-1].set_xlabel("focal share of the weights")
    named = {name: handle for panel in axes for handle, name in _legend(panel)}
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=3)
    return figure


def describe(summary: Summary) -> str:
    """The best focal share, and where every combiner stands."""
    said = []
    for name, outcome in _shown(summary):
        curve = pooled_of(outcome.curve.equal_length)
        average = pooled_of(outcome.average.equal_length.effect)
        best = int(np.nanargmax(curve.values))
        dots = [
            f"{each.combiner} at {number(each.gain.focal_share, digits=2)}: "
            f"{relative(pooled_of(each.gain.equal_length.gain), average)}"
            for each in _dots(outcome)
            if each.gain is not None
        ]
        share = number(float(outcome.curve.shares[best]), digits=1)
        said.append(
            f"{name}, {outcome.name}: reweighted averaging gains most at a focal share of {share}, "
            f"{relative(curve.at(best), average)}; {'; '.join(dots)}"
        )
    return f"Gain over averaging against focal weight. {'. '.join(said)}."


def _shown(summary: Summary) -> list[tuple[str, Outcome]]:
    return [
        (encoder.name, outcome)
        for encoder in summary.encoders
        for outcome in encoder.decision.outcomes
        if not np.isnan(outcome.curve.equal_length.values).all()
    ]


def _dots(outcome: Outcome) -> list[Prediction]:
    return [
        each
        for each in outcome.predictions
        if each.gain is not None
        and not np.isnan([each.gain.focal_share, float(each.gain.equal_length.gain)]).any()
    ]


def _legend(axes: Axes) -> Iterator[tuple[Artist, str]]:
    yield from zip(*axes.get_legend_handles_labels(), strict=True)


def _draw(axes: Axes, outcome: Outcome) -> None:
    # One legend serves all panels, so the line has its combiner's colour and not the encoder's.
    colour = colours.of_combiner("weighted")
    effect = outcome.average.equal_length.effect
    unit = float(effect) / 100.0 if float(effect.low) > 0.0 else 1.0
    curve, shares = outcome.curve.equal_length, outcome.curve.shares
    axes.plot(shares, curve.values / unit, color=colour, label="reweighted averaging")
    axes.fill_between(shares, curve.low / unit, curve.high / unit, color=colour, alpha=0.2, linewidth=0)
    for each in _dots(outcome):
        if each.gain is None:
            continue
        gain, x = each.gain.equal_length.gain, [each.gain.focal_share] * 2
        own = colours.of_combiner(each.combiner)
        axes.plot(x, [float(gain.low) / unit, float(gain.high) / unit], color=own, linewidth=1.4)
        axes.plot(x[:1], [float(gain) / unit], "o", color=own, markersize=6, label=each.combiner)
    axes.axhline(0.0, color=colours.FAINT, linewidth=0.9)
    axes.set_ylabel("gain, % of averaging's" if unit != 1.0 else "gain")
