"""The table of raw and noise-corrected cosines, made from the summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from gradprobe.geometry import Estimate
from gradprobe.geometry.corrected import NO_SIGNAL, TRUSTED
from gradprobe.geometry.intervals import FEW_BLOCKS, NO_STEP, UNBOUNDED
from gradprobe.reports.compare.corrected import Corrected, CorrectedCosine
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, UNDEFINED, decimal, span, two_digits, with_span
from gradprobe.reports.kit.words import count

# What stands in the place of an interval; the note below the table has the reason in full.
WITHOUT_INTERVAL: Mapping[str, str] = {
    NO_STEP: "never measured",
    NO_SIGNAL: "no signal",
    FEW_BLOCKS: "few steps",
    UNBOUNDED: "unbounded",
}
_COLUMNS = (
    "encoder",
    "task",
    "raw",
    "corrected",
    "95% interval",
    "trusted",
    "distinguishable from zero",
    "signal share",
    "noise scale",
)
_NOTE = (
    "Every cosine, raw ones too, is a ratio of sums over all steps, so it is not the mean of cosines above. "
    "Corrected: from products of gradients of different molecules; it is not clipped and can pass 1. "
    f"Trusted: both squared norms are at least {TRUSTED:g} standard errors above zero. "
    "Distinguishable from zero: "
    "at a false discovery rate of 5% over the auxiliaries, for the molecules trained on: where epochs repeat "
    "them, not for molecules that were never drawn; this needs no norm. Signal share: the part of the "
    "squared minibatch gradient that is no noise. Noise scale: the rows at which that part is one half."
)
_MANY_ROWS = 40


def corrected(summary: Summary) -> Table:
    """Every task of every encoder measured in folds, the focal one first: its cosine, signal and noise."""
    rows = tuple(
        (encoder.name, task.task, *cells, _signal(task.share), _signal(task.scale))
        for encoder in summary.encoders
        for task, cells in zip(encoder.corrected.signals, _cosine_cells(encoder.corrected), strict=True)
    )
    return Table(
        title="Cosines with the focal task, raw and corrected for noise",
        columns=_COLUMNS,
        rows=rows,
        note=" ".join([_NOTE, *_reasons(summary), *_windows(summary), *_suggestions(summary)]),
        names=2,
        folded=len(rows) > _MANY_ROWS,
    )


def _cosine_cells(found: Corrected) -> Iterator[tuple[str, ...]]:
    """From the raw cosine to whether it differs from zero; the focal task has no cosine with itself."""
    if found.signals:
        yield (ABSENT,) * 5
    for one in found.cosines:
        yield (
            _cosine(one.raw),
            _cosine(one.corrected),
            _interval_cell(one),
            "yes" if one.trusted else "no",
            "yes" if one.nonzero else "no",
        )


def _signal(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(float(estimate)):
        return UNDEFINED
    return with_span(float(estimate), float(estimate.low), float(estimate.high), two_digits)


def _suggestions(summary: Summary) -> Iterator[str]:
    """The batch size at which half of the median task's squared gradient is signal, for each encoder."""
    for encoder in summary.encoders:
        scales = [float(each.scale) for each in encoder.corrected.signals if each.scale is not None]
        known = [scale for scale in scales if math.isfinite(scale)]
        if known:
            rows = two_digits(float(np.median(known)))
            yield (
                f"{encoder.name}: with about {rows} molecules per task per step, "
                "half of the median task's squared gradient would be signal; much larger batches buy little."
            )


def _interval_cell(one: CorrectedCosine) -> str:
    if one.reason:
        return WITHOUT_INTERVAL[one.reason]
    cell = span(one.low, one.high, _cosine)
    return f"{cell}, too narrow" if one.short else cell


def _cosine(value: float) -> str:
    # Two digits, and no more than three decimals: the noise that is left is far larger.
    return decimal(value, 3) if abs(value) < 0.01 else two_digits(value)


def _reasons(summary: Summary) -> Iterator[str]:
    found = [one for encoder in summary.encoders for one in encoder.corrected.cosines]
    for reason in dict.fromkeys(one.reason for one in found if one.reason):
        name = WITHOUT_INTERVAL[reason].capitalize()
        yield f"{name}: {reason.removeprefix('no signal: ')}."
    if any(one.short and not one.reason for one in found):
        yield "Too narrow: steps are correlated over too long for their blocks."


def _windows(summary: Summary) -> Iterator[str]:
    for encoder in summary.encoders:
        found = encoder.corrected
        if found.reason:
            yield f"{encoder.name}: {found.reason}."
        else:
            order = ", one run after the other" if found.runs > 1 else ""
            yield (
                f"{encoder.name}: {found.steps} of {count(found.measured, 'measured minibatch step')} "
                f"from {count(found.runs, 'run')}{order}."
            )
