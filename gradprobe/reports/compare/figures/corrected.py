"""Raw and noise-corrected cosines of every auxiliary, one panel an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradprobe.reports.compare.corrected import CorrectedCosine
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.canvas import label, panels
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.statistics.seeds import NAN

_ROWS = 30
_EDGE, _ARROW = 1.1, 1.06  # of the axis' half width, so that a dot at its end covers no arrow
_RAW, _CORRECTED = -0.17, 0.17  # of a row's height: the raw dot stands above the corrected one


def draw(summary: Summary) -> Figure | None:
    """Raw dots above corrected ones with their intervals, in the same order in every panel."""
    shown = _shown(summary)
    if not shown:
        return None
    order = _order(shown)
    limit = _limit([encoder.corrected.cosines[row] for encoder in shown for row in order])
    figure, axes = panels([0.3 + 0.36 * len(order)] * len(shown), share_x=True)
    for panel, encoder in zip(axes, shown, strict=True):
        for place, row in enumerate(order):
            _draw(panel, encoder.corrected.cosines[row], place, colours.of_encoder(encoder.name), limit)
        panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
        panel.set_xlim(-_EDGE * limit, _EDGE * limit)
        panel.set_yticks(range(len(order)), [label(summary.auxiliaries[row]) for row in order])
        panel.set_ylim(len(order) - 0.5, -0.5)
        few = f", {len(order)} of {len(summary.auxiliaries)} auxiliaries"
        panel.set_title(label(encoder.name, 40) + (few if len(order) < len(summary.auxiliaries) else ""))
    axes[-1].set_xlabel("cosine (diamond: raw, dot: corrected)")
    return figure


def describe(summary: Summary) -> str:
    """The range of raw and corrected cosines of every encoder, and how many are told from zero."""
    said = []
    for encoder in _shown(summary):
        found = encoder.corrected.cosines
        raw, corrected = _range([one.raw for one in found]), _range([one.corrected for one in found])
        nonzero = sum(one.nonzero for one in found)
        said.append(
            f"{encoder.name}: raw {raw}, corrected {corrected}, {nonzero} of {len(found)} told from zero"
        )
    return f"Raw and noise-corrected cosines with the focal task. {'; '.join(said)}."


def _shown(summary: Summary) -> list[EncoderSummary]:
    return [e for e in summary.encoders if any(not math.isnan(one.raw) for one in e.corrected.cosines)]


def _order(shown: Sequence[EncoderSummary]) -> list[int]:
    """Auxiliaries in the order of the tasks; of very many, those told from zero, then the largest raw."""

    def rank(row: int) -> tuple[bool, float]:
        found = [encoder.corrected.cosines[row] for encoder in shown]
        sizes = [abs(one.raw) for one in found if not math.isnan(one.raw)]
        return any(one.nonzero for one in found), max(sizes, default=-1.0)

    rows = range(len(shown[0].corrected.cosines))
    return sorted(sorted(rows, key=rank, reverse=True)[:_ROWS])


def _limit(found: Sequence[CorrectedCosine]) -> float:
    """Half the width of the axis: what there is to show, at most 1."""
    ends = [abs(end) for one in found for end in (one.raw, one.corrected, one.low, one.high)]
    return min(max((end for end in ends if not math.isnan(end)), default=1.0) or 1.0, 1.0)


def _draw(axes: Axes, one: CorrectedCosine, place: int, colour: str, limit: float) -> None:
    raw_colour = colours.of_split("minibatch")
    axes.plot([one.raw], [place + _RAW], "D", color=raw_colour, markersize=5, fillstyle="none")
    if math.isnan(one.corrected):
        return
    height = place + _CORRECTED
    if not math.isnan(one.low):
        ends = [_clipped(one.low, _ARROW * limit), _clipped(one.high, _ARROW * limit)]
        axes.plot(ends, [height, height], color=colour, linewidth=2.0)
        for end, marker, cut in zip(ends, "<>", (one.low < -limit, one.high > limit), strict=True):
            if cut:
                axes.plot([end], [height], marker, color=colour, markersize=6)
    face = colour if one.trusted else "white"
    axes.plot(
        [_clipped(one.corrected, limit)], [height], "o", color=colour, markersize=6, markerfacecolor=face
    )


def _clipped(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)


def _range(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    low, high = (min(known), max(known)) if known else (NAN, NAN)
    return f"{number(low)} to {number(high)}" if known else number(NAN)
