"""What task gradients do to each other: cosines, layers, pairs, overlap, norms, conflict, rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.reports.compare.gradients import Detail
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import number, ranged, span
from gradprobe.reports.kit.plots.chart import Chart, Panel, course
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.kit.plots.heat import Heat, HeatPanel
from gradprobe.reports.kit.words import SPLIT_NAMES
from gradprobe.reports.statistics.seeds import Band, mean_defined

COSINE_SCALE = "cosine (red: conflict, blue: agreement)"
BAND = (
    "Lines are means over seeds as far as every seed was measured, bands run from the lowest to the highest "
    "seed."
)
_STEP = "optimiser step (−1: before training)"
_CONFLICT = {
    "negative_fraction": ("Negative fraction", "share of auxiliaries"),
    "conflict_energy_per_pair": ("Conflict energy per pair", "mean of max(0, −cosine)"),
}
_MOST_RATIOS = 30
_MARKERS = "osD^vPX"


def cosines(summary: Summary) -> Figure | None:
    """Focal-auxiliary cosines over training, one panel an encoder, one line a split."""
    shown = [encoder for encoder in summary.encoders if _cosine_courses(encoder)]
    if not shown:
        return None
    panels = []
    for encoder in shown:
        lines = [
            course(band, look.colour, SPLIT_NAMES[split], marker=look.marker, line=look.line)
            for split, band in _cosine_courses(encoder).items()
            for look in [colours.of_split(split)]
        ]
        panels.append(Panel(encoder.name, "mean cosine", tuple(lines), levels=((0.0, "", "-"),)))
    said = "; ".join(
        f"{encoder.name}: "
        + ", ".join(
            f"{SPLIT_NAMES[split]} {ranged(encoder.gradients.splits[split].mean['cosine'])}"
            for split in _cosine_courses(encoder)
        )
        for encoder in shown
    )
    return Figure(
        name="cosines",
        plot=Chart(tuple(panels), _STEP),
        words=f"Lines over training of the mean focal–auxiliary cosine. {said}.",
        caption=f"Cosine of the focal gradient with an auxiliary's, mean over auxiliaries. {BAND}",
    )


def layers(summary: Summary) -> Figure | None:
    """Cosines with the focal task for every layer and auxiliary, of the split with the least noise."""
    shown = [
        (encoder, detail)
        for encoder, detail in _details(summary)
        if summary.focal and not np.isnan(detail.by_layer).all()
    ]
    if not shown:
        return None
    panels, said = [], []
    for encoder, detail in shown:
        names, means = encoder.gradients.layers, mean_defined(detail.by_layer, axis=1)
        panels.append(HeatPanel(_of_split(encoder, detail), detail.by_layer, names, summary.auxiliaries))
        ends = (int(find(means)) for find in (np.nanargmin, np.nanargmax))
        said.append(
            f"{encoder.name}: from {' to '.join(f'{number(float(means[k]))} in {names[k]}' for k in ends)}"
        )
    return Figure(
        name="layers",
        plot=Heat(tuple(panels), COSINE_SCALE),
        words="Heat map of layers and auxiliaries. Mean cosine with the focal task, " + "; ".join(said) + ".",
        caption="Cosine with the focal gradient for each layer and auxiliary, averaged over the steps after "
        "the first update and over seeds; grey: undefined.",
    )


def pairs(summary: Summary) -> Figure | None:
    """Cosines of all pairs of tasks, of the split with the least noise; the focal task comes first."""
    shown = [(encoder, detail, _off_diagonal(detail)) for encoder, detail in _details(summary)]
    shown = [entry for entry in shown if not np.isnan(entry[2]).all()]
    if not shown:
        return None
    return Figure(
        name="pairs",
        plot=Heat(
            tuple(
                HeatPanel(_of_split(encoder, detail), values, summary.tasks, summary.tasks)
                for encoder, detail, values in shown
            ),
            COSINE_SCALE,
        ),
        words="Heat map of the cosines of all pairs of tasks. "
        + "; ".join(
            f"{encoder.name}: from {' to '.join(ends(values, summary.tasks, summary.tasks))}"
            for encoder, _, values in shown
        )
        + ".",
        caption="Averages over the steps from 0 on and over seeds; the focal task comes first.",
    )


def overlap(summary: Summary) -> Figure | None:
    """Minibatch overlap over training, with that of random directions dotted in the same colour."""
    shown = list(_overlaps(summary))
    if not shown:
        return None
    lowest = min(min(*band.low, encoder.chance) for encoder, band in shown)
    highest = max(max(*band.high, encoder.chance) for encoder, band in shown)
    panel = Panel(
        "",
        "mean |cosine| over all pairs",
        tuple(course(band, colours.of_encoder(e.name), e.name) for e, band in shown),
        levels=tuple((e.chance, colours.of_encoder(e.name), ":") for e, _ in shown),
        y_limits=(lowest / 1.5, highest * 1.5),
        y_scale="log",
        height=2.6,
    )
    said = [
        f"{e.name}: {ranged(e.gradients.splits['minibatch'].mean['overlap'])}, by chance {number(e.chance)}"
        for e, _ in shown
    ]
    return Figure(
        name="overlap",
        plot=Chart((panel,), "optimiser step"),
        words="Lines over training of the minibatch gradient overlap, dotted at chance. "
        + "; ".join(said)
        + ".",
        caption="Mean |cosine| over all pairs of tasks on minibatches; dotted: two random directions. "
        + BAND,
    )


def norm_ratios(summary: Summary) -> Figure | None:
    """Focal over auxiliary gradient norms on a logarithmic axis, one mark an auxiliary and encoder."""
    ratios = {
        encoder.name: encoder.gradients.details["minibatch"].ratios
        for encoder in summary.encoders
        if summary.focal and "minibatch" in encoder.gradients.details
    }
    ratios = {name: values for name, values in ratios.items() if not np.isnan(values).all()}
    order = _most_uneven(list(ratios.values()))
    if not order:
        return None
    rows = tuple(
        Row(
            summary.auxiliaries[row],
            tuple(
                Mark(
                    float(values[row]),
                    colours.of_encoder(name),
                    marker=_MARKERS[k % len(_MARKERS)],
                    name=name,
                )
                for k, (name, values) in enumerate(ratios.items())
            ),
        )
        for row in order
    )
    known = np.concatenate([values[~np.isnan(values)] for values in ratios.values()])
    cut = len(order) < len(summary.auxiliaries)
    title = f"The {len(order)} most uneven of {len(summary.auxiliaries)} auxiliaries" if cut else ""
    return Figure(
        name="norm_ratios",
        plot=Forest(
            (ForestPanel(title, rows, log=True),),
            "focal norm / auxiliary norm",
            lines=((1.0, "-"),),
            limits=(min(float(known.min()) / 1.2, 0.5), max(float(known.max()) * 1.2, 2.0)),
        ),
        words="Dots of focal over auxiliary gradient norm for each auxiliary. "
        + "; ".join(
            f"{name}: from {span(float(np.nanmin(values)), float(np.nanmax(values)))}"
            for name, values in ratios.items()
        )
        + ".",
        caption="Norm of the focal gradient over an auxiliary's, geometric mean over minibatches and seeds.",
    )


def conflict(summary: Summary) -> Figure | None:
    """Share of negative cosines with the focal task and conflict energy over training, on minibatches."""
    minibatch = {
        encoder.name: encoder.gradients.splits["minibatch"]
        for encoder in summary.encoders
        if "minibatch" in encoder.gradients.splits
    }
    names = [name for name in _CONFLICT if any(found.course[name].steps for found in minibatch.values())]
    if not names:
        return None
    panels = tuple(
        Panel(
            title,
            unit,
            tuple(course(s.course[name], colours.of_encoder(e), e) for e, s in minibatch.items()),
            y_limits=(0.0, None),
        )
        for name in names
        for title, unit in [_CONFLICT[name]]
    )
    said = [
        f"{encoder}: negative fraction {ranged(found.mean['negative_fraction'])}, "
        f"energy per pair {ranged(found.mean['conflict_energy_per_pair'])}"
        for encoder, found in minibatch.items()
    ]
    return Figure(
        name="conflict",
        plot=Chart(panels, "optimiser step"),
        words=f"Lines over training of minibatch conflict. {'; '.join(said)}.",
        caption="Fraction: share of auxiliaries whose cosine with the focal task is negative. Mass: mean of "
        f"max(0, −cosine) with the focal task. Energy: the same over all pairs. {BAND}",
    )


def effective_rank(summary: Summary) -> Figure | None:
    """Effective rank of the representation over training, one line an encoder."""
    ranks = [(e.name, e.rank) for e in summary.encoders if e.rank is not None]
    drawn = [(name, rank) for name, rank in ranks if rank.course.steps]
    if not drawn:
        return None
    lowest = min(min(rank.course.low) for _, rank in drawn)
    panel = Panel(
        "",
        "effective rank, dimensions",
        tuple(course(rank.course, colours.of_encoder(name), name, marker="o") for name, rank in drawn),
        y_limits=(1.0, None) if lowest > 1.0 else (None, None),
        height=2.6,
    )
    said = [
        f"{name}: {ranged(rank.raw)} of at most {rank.most}, {SPLIT_NAMES[rank.split]}"
        for name, rank in ranks
    ]
    return Figure(
        name="effective_rank",
        plot=Chart((panel,), _STEP),
        words=f"Lines over training of the effective rank. At the end, {'; '.join(said)}.",
        caption=f"exp(entropy of the normalised singular values), uncentred. {BAND}",
    )


def ends(
    values: FloatArray, rows: Sequence[str], columns: Sequence[str], *, digits: int = 3
) -> tuple[str, str]:
    """The lowest and the highest of values [r, c], not all NaN, each with its row and column."""
    low, high = (
        f"{number(float(values[i, j]), digits=digits)} ({rows[int(i)]} and {columns[int(j)]})"
        for find in (np.nanargmin, np.nanargmax)
        for i, j in [np.unravel_index(find(values), values.shape)]
    )
    return low, high


def _cosine_courses(encoder: EncoderSummary) -> dict[str, Band]:
    found = {split: summary.course["cosine"] for split, summary in encoder.gradients.splits.items()}
    return {split: band for split, band in found.items() if band.steps}


def _details(summary: Summary) -> Iterator[tuple[EncoderSummary, Detail]]:
    for encoder in summary.encoders:
        if encoder.gradients.detail is not None:
            yield encoder, encoder.gradients.detail


def _of_split(encoder: EncoderSummary, detail: Detail) -> str:
    return f"{encoder.name}, {SPLIT_NAMES[detail.split]}"


def _off_diagonal(detail: Detail) -> FloatArray:
    """Cosines [t, t] without those of a task with itself."""
    values = detail.pairs.copy()
    np.fill_diagonal(values, np.nan)
    return values


def _overlaps(summary: Summary) -> Iterator[tuple[EncoderSummary, Band]]:
    """Encoders with their minibatch overlap; a logarithmic axis has no place for one of exactly zero."""
    for encoder in summary.encoders:
        split = encoder.gradients.splits.get("minibatch")
        band = None if split is None else split.course["overlap"]
        if band is not None and band.steps and min(band.low) > 0.0:
            yield encoder, band


def _most_uneven(ratios: Sequence[FloatArray]) -> list[int]:
    """Auxiliaries in the order of the tasks; of very many, those with the most uneven norms."""
    if not ratios:
        return []
    # An unknown ratio is less uneven than any known one.
    uneven = np.nan_to_num(np.abs(np.log(np.stack(ratios))), nan=-1.0).max(axis=0)
    known = [row for row in np.argsort(-uneven, kind="stable").tolist() if uneven[row] >= 0.0]
    return sorted(known[:_MOST_RATIOS])
