"""Figures along one axis of a study."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.reports.compare.axes.lines import Axis, Line
from gradprobe.reports.compare.axes.measures import NAMES
from gradprobe.reports.compare.axes.words import text
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, ranged
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series
from gradprobe.reports.kit.words import SPLIT_NAMES

_BAND = "Lines are means over seeds, bands run from the lowest to the highest seed."
# Raw lines are full, corrected ones dashed, one colour a split.
COSINES = (
    ("minibatch", "minibatch", "-"),
    ("minibatch_corrected", "minibatch", "--"),
    ("train", "train", "-"),
    ("train_corrected", "train", "--"),
    ("heldout", "heldout", "-"),
    ("heldout_corrected", "heldout", "--"),
)
# The measures behind each figure, by the end of its name.
MEASURES_OF = {
    "errors": ("error",),
    "cosines": tuple(measure for measure, _, _ in COSINES),
    "sharing": ("rank", "overlap"),
}
_MARKERS = "os^DvPX"


def errors(axis: Axis, metric: str) -> Figure | None:
    """The focal test error along an axis: one panel an encoder, one line a combiner."""
    panels, said = [], []
    for encoder, lines in _by_encoder(axis.lines).items():
        series = [
            found
            for place, line in enumerate(lines)
            if (
                found := _series(
                    axis, line, "error", line.combiner, colours.of_combiner(line.combiner), mark=place
                )
            )
        ]
        if series:
            panels.append(_panel(axis, encoder, metric, series))
            said += [f"{encoder}, {line.combiner}: {_ends(line, 'error')}" for line in lines if line.values]
    return _figure(axis, "errors", panels, said, f"Test {metric} of the focal task; lower is better. {_BAND}")


def cosines(axis: Axis) -> Figure | None:
    """Focal-auxiliary cosines along an axis, raw and corrected: one panel an encoder, while averaging."""
    panels, said = [], []
    for encoder, line in _averaging(axis).items():
        series = [
            found
            for measure, split, dash in COSINES
            if (
                found := _series(
                    axis, line, measure, NAMES[measure], colours.of_split(split).colour, line_style=dash
                )
            )
        ]
        if series:
            panels.append(_panel(axis, encoder, "mean cosine", series, zero=True))
            said.append(f"{encoder}, minibatch: {_ends(line, 'minibatch')}")
    caption = (
        f"Mean over auxiliaries of the cosine with the focal gradient; dashed: corrected for noise. {_BAND}"
    )
    return _figure(axis, "cosines", panels, said, caption)


def sharing(axis: Axis) -> Figure | None:
    """Effective rank and gradient overlap along an axis: one line an encoder, while averaging."""
    lines = _averaging(axis)
    panels, said = [], []
    for measure in ("rank", "overlap"):
        series = [
            found
            for place, (encoder, line) in enumerate(lines.items())
            if (found := _series(axis, line, measure, encoder, colours.of_encoder(encoder), mark=place))
        ]
        if series:
            panels.append(_panel(axis, NAMES[measure], NAMES[measure], series))
            said += [f"{measure}, {encoder}: {_ends(line, measure)}" for encoder, line in lines.items()]
    caption = (
        "Effective rank of the representation of held-out molecules; mean absolute cosine of all pairs of "
        f"tasks on the train fold. {_BAND}"
    )
    return _figure(axis, "sharing", panels, said, caption)


def _figure(
    axis: Axis, what: str, panels: Sequence[Panel], said: Sequence[str], caption: str
) -> Figure | None:
    if not panels:
        return None
    return Figure(
        name=f"{axis.name}-{what}",
        plot=Chart(tuple(panels), axis.name, legend_columns=2),
        words=f"Lines along {axis.name}, from {text(axis.values[0])} to {text(axis.values[-1])}. "
        + "; ".join(said)
        + ".",
        caption=caption,
    )


def _panel(axis: Axis, title: str, label: str, series: Sequence[Series], *, zero: bool = False) -> Panel:
    return Panel(
        title,
        label,
        tuple(series),
        levels=((0.0, "", "-"),) if zero else (),
        ticks=tuple((float(place), text(value)) for place, value in enumerate(axis.values)),
    )


def _series(
    axis: Axis, line: Line, measure: str, name: str, colour: str, *, mark: int = 0, line_style: str = "-"
) -> Series | None:
    points = [(axis.values.index(value), line.at(value, measure)) for value in line.values]
    points = [(x, found) for x, found in points if found.seeds]
    if not points:
        return None
    spread = any(found.high > found.low for _, found in points)
    return Series(
        name=name,
        colour=colour,
        x=[float(x) for x, _ in points],
        y=[found.mean for _, found in points],
        low=[found.low for _, found in points] if spread else (),
        high=[found.high for _, found in points] if spread else (),
        line=line_style,
        marker=_MARKERS[mark % len(_MARKERS)],
    )


def _short(measure: str) -> str:
    """The name of a cosine in a legend."""
    split, _, corrected = measure.partition("_")
    return f"{SPLIT_NAMES[split]}{', corrected' if corrected else ''}"


def _by_encoder(lines: Sequence[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.encoder, []).append(line)
    return found


def _averaging(axis: Axis) -> dict[str, Line]:
    """The line of each encoder trained by averaging, or by the first other combiner."""
    chosen: dict[str, Line] = {}
    for line in axis.lines:
        if line.combiner == AVERAGE or line.encoder not in chosen:
            chosen[line.encoder] = line
    return chosen


def _ends(line: Line, measure: str) -> str:
    first, last = (ranged(line.at(line.values[place], measure), number) for place in (0, -1))
    return first if len(line.values) == 1 else f"{first} to {last}"
