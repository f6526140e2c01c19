"""Raw cosines beside noise-corrected ones: by auxiliary, by layer, of all pairs, and by batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradprobe.geometry import BoolArray, FloatArray
from gradprobe.reports.compare.batch_sizes import BatchSizes
from gradprobe.reports.compare.corrected import CorrectedCosine
from gradprobe.reports.compare.corrected_detail import CorrectedDetail
from gradprobe.reports.compare.figures.gradients import COSINE_SCALE, ends
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, span, two_digits
from gradprobe.reports.kit.plots.chart import Chart, Panel, Series
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.kit.plots.heat import Heat, HeatPanel
from gradprobe.reports.statistics.seeds import NAN

_MOST_ROWS = 30
_MOST_LINES = 6  # of more auxiliaries, those with the largest raw cosine
_ABOVE, _BELOW = -0.17, 0.17  # of a row's height: the raw mark stands above the corrected one


def corrected(summary: Summary) -> Figure | None:
    """Raw marks above corrected ones with their intervals, in the same order in every panel."""
    shown = [e for e in summary.encoders if any(not math.isnan(one.raw) for one in e.corrected.cosines)]
    if not shown:
        return None
    order = _order(shown)
    panels, said = [], []
    for encoder in shown:
        found = encoder.corrected.cosines
        few = f", {len(order)} of {len(found)} auxiliaries" if len(order) < len(found) else ""
        colour = colours.of_encoder(encoder.name)
        rows = tuple(Row(summary.auxiliaries[row], _marks(found[row], colour)) for row in order)
        panels.append(ForestPanel(encoder.name + few, rows))
        raw, right = _range([one.raw for one in found]), _range([one.corrected for one in found])
        told = f"{sum(one.nonzero for one in found)} of {len(found)} distinguishable from zero"
        said.append(f"{encoder.name}: raw {raw}, corrected {right}, {told}")
    return Figure(
        name="corrected",
        plot=Forest(
            tuple(panels),
            "cosine (diamond: raw, dot: corrected)",
            reach=_reach([encoder.corrected.cosines[row] for encoder in shown for row in order]),
            row_height=0.36,
        ),
        words=f"Raw and noise-corrected cosines with the focal task. {'; '.join(said)}.",
        caption="Diamond: raw cosine on minibatches; dot: corrected cosine, full where trusted; line: "
        "its 95% interval. Arrow: it continues beyond ±1, or has no bound; a dot beyond is drawn at ±1. "
        "No dot: undefined. Steps with longer gradients weigh more. An interval is for the mean over "
        "these steps and the molecules they drew from: where epochs repeat the same molecules, it does "
        "not hold for others. It also holds for a longer run on the same molecules if cosines do not "
        "drift, or drift fast: a drift whose memory is longer than about a fortieth of the steps can go "
        "unnoticed.",
    )


def by_layer(summary: Summary) -> Figure | None:
    """Cosines with the focal task by layer: raw, then corrected."""
    shown = _details(summary)
    if not shown or not summary.auxiliaries:
        return None
    panels = [
        HeatPanel(f"{encoder.name}, {kind}", np.clip(values, -1.0, 1.0), detail.layers, summary.auxiliaries)
        for encoder, detail in shown
        for kind, values in (("raw", detail.layers_raw), ("corrected", detail.by_layer))
    ]
    said = [
        f"{e.name}: {_told(detail.by_layer, detail.layers, summary.auxiliaries, detail.layers_nonzero)}"
        for e, detail in shown
    ]
    return Figure(
        name="corrected_layers",
        plot=Heat(tuple(panels), COSINE_SCALE),
        words=f"Raw and corrected cosines with the focal task by layer. {'; '.join(said)}.",
        caption="Cosine with the focal gradient for each layer and auxiliary on minibatches, raw and "
        "then corrected for noise, over all steps; grey: no signal; beyond ±1: drawn at ±1.",
    )


def all_pairs(summary: Summary) -> Figure | None:
    """Cosines of all pairs of tasks: raw, then corrected."""
    shown, tasks = _details(summary), summary.tasks
    if not shown:
        return None
    panels = [
        HeatPanel(f"{encoder.name}, {kind}", np.clip(values, -1.0, 1.0), tasks, tasks)
        for encoder, detail in shown
        for kind, values in (("raw", detail.pairs_raw), ("corrected", detail.pairs))
    ]
    upper = np.triu_indices(len(tasks), k=1)
    said = []
    for encoder, detail in shown:
        values = np.full_like(detail.pairs, np.nan)
        values[upper] = detail.pairs[upper]
        said.append(f"{encoder.name}: {_told(values, tasks, tasks, detail.pairs_nonzero[upper])}")
    return Figure(
        name="corrected_pairs",
        plot=Heat(tuple(panels), COSINE_SCALE),
        words=f"Raw and corrected cosines of all pairs of tasks. {'; '.join(said)}.",
        caption="Minibatch cosines of all pairs of tasks, raw and then corrected for noise, over all "
        "steps; the focal task comes first; grey: no signal; beyond ±1: drawn at ±1.",
    )


def batch_size(summary: Summary) -> Figure | None:
    """Predicted raw cosines against the batch size, the two measured sizes as marks on the lines."""
    found = ((encoder, encoder.corrected.sizes) for encoder in summary.encoders)
    shown = [(e, sizes) for e, sizes in found if sizes is not None and not np.isnan(sizes.predicted).all()]
    if not shown:
        return None
    drawn = _most_different([sizes for _, sizes in shown])
    return Figure(
        name="batch_size",
        plot=Chart(
            tuple(_sizes_panel(encoder.name, sizes, summary.auxiliaries, drawn) for encoder, sizes in shown),
            "molecules per task per step",
            share_x=False,
        ),
        words="Mean raw cosine with the focal task by batch size. "
        + "; ".join(f"{encoder.name}: {_eight_times(sizes)}" for encoder, sizes in shown)
        + ".",
        caption="Raw cosine with the focal task predicted for batches of other sizes from the noise "
        "measured at this one, with its 95% interval. Dots and diamonds are the whole and half "
        "batches that the prediction is fitted to; every other size is extrapolated.",
    )


def _order(shown: Sequence[EncoderSummary]) -> list[int]:
    """Auxiliaries in the order of the tasks; of very many, those that differ from zero, then the largest."""

    def rank(row: int) -> tuple[bool, float]:
        found = [encoder.corrected.cosines[row] for encoder in shown]
        sizes = [abs(one.raw) for one in found if not math.isnan(one.raw)]
        return any(one.nonzero for one in found), max(sizes, default=-1.0)

    rows = range(len(shown[0].corrected.cosines))
    return sorted(sorted(rows, key=rank, reverse=True)[:_MOST_ROWS])


def _reach(found: Sequence[CorrectedCosine]) -> float:
    """Half the width of the axis: what there is to show, at most 1."""
    sizes = [abs(end) for one in found for end in (one.raw, one.corrected, one.low, one.high)]
    return min(max((size for size in sizes if not math.isnan(size)), default=1.0) or 1.0, 1.0)


def _marks(one: CorrectedCosine, colour: str) -> tuple[Mark, ...]:
    raw = colours.of_split("minibatch").colour
    known = not math.isnan(one.corrected)
    return (
        Mark(one.raw, raw, marker="D", filled=False, size=5.0, shift=_ABOVE),
        Mark(
            one.corrected,
            colour,
            one.low if known else NAN,
            one.high if known else NAN,
            filled=one.trusted,
            shift=_BELOW,
        ),
    )


def _range(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    return span(min(known), max(known)) if known else number(NAN)


def _told(values: FloatArray, rows: Sequence[str], columns: Sequence[str], told: BoolArray) -> str:
    """The ends of corrected cosines, and how many of them are distinguishable from zero."""
    if np.isnan(values).all():
        return "undefined throughout"
    low, high = ends(values, rows, columns, digits=2)
    return f"corrected from {low} to {high}, {int(told.sum())} of {told.size} distinguishable from zero"


def _details(summary: Summary) -> list[tuple[EncoderSummary, CorrectedDetail]]:
    found = ((encoder, encoder.corrected.detail) for encoder in summary.encoders)
    return [(e, detail) for e, detail in found if detail is not None and not np.isnan(detail.pairs_raw).all()]


def _most_different(shown: Sequence[BatchSizes]) -> list[int]:
    """The auxiliaries to draw, the same for all encoders so that a task has one colour."""
    largest = np.max([np.nan_to_num(np.abs(sizes.whole)) for sizes in shown], axis=0)
    return sorted(np.argsort(-largest)[:_MOST_LINES].tolist())


def _sizes_panel(name: str, sizes: BatchSizes, names: Sequence[str], drawn: Sequence[int]) -> Panel:
    rows = sizes.rows * sizes.factors
    series = []
    for colour, column in zip(colours.LINES, drawn, strict=False):
        # Every cosine lies between -1 and 1.
        low, high = (np.clip(end[:, column], -1.0, 1.0).tolist() for end in (sizes.low, sizes.high))
        marks = (
            Series("", colour, [sizes.rows / 2], [sizes.half[column]], line="", marker="D", filled=False),
            Series("", colour, [sizes.rows], [sizes.whole[column]], line="", marker="o", size=5.0),
        )
        line = Series(names[column], colour, rows.tolist(), sizes.predicted[:, column].tolist(), low, high)
        series += [line, *marks]
    shown = sizes.predicted[:, drawn]
    known = shown[~np.isnan(shown)]
    least, most = (known.min(), known.max()) if known.size else (0.0, 0.0)
    room = 0.3 * max(most - least, 0.02)
    return Panel(
        name,
        "raw cosine",
        tuple(series),
        levels=((0.0, "", "-"),),
        x_limits=(float(rows[0]), float(rows[-1])),
        y_limits=(max(float(least - room), -1.05), min(float(most + room), 1.05)),
        x_scale="log",
    )


def _eight_times(sizes: BatchSizes) -> str:
    """The mean raw cosine measured, and that of batches eight times as large."""
    larger = sizes.predicted[int(np.argmin(np.abs(sizes.factors - 8.0)))]
    mean = float(np.nanmean(larger)) if not np.isnan(larger).all() else NAN
    return (
        f"measured {two_digits(float(np.nanmean(sizes.whole)))} with {two_digits(sizes.rows)} molecules, "
        f"predicted {two_digits(mean)} with eight times as many"
    )
