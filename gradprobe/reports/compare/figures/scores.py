"""The focal test score of every combiner, and its paired difference from averaging."""

from __future__ import annotations

import math

from gradprobe.reports.compare.scores import CombinerScore, Metric
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.numbers import difference, ranged
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row, paired_mark
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.paired import Paired


def scores(summary: Summary, metric: Metric) -> Figure | None:
    """A faint dot a seed, a bar at the mean over seeds."""
    shown = [e for e in summary.encoders if any(score.estimate.seeds for score in e.scores)]
    if not shown:
        return None
    said = [
        f"{e.name}: {join([f'{s.combiner} {ranged(s.estimate)}' for s in e.scores if s.estimate.seeds])}"
        for e in shown
    ]
    return Figure(
        name="scores",
        plot=Forest(
            tuple(ForestPanel(e.name, tuple(Row(s.combiner, _marks(s)) for s in e.scores)) for e in shown),
            f"{metric.name}, test fold ({metric.direction})",
            lines=(),
            row_height=0.27,
        ),
        words=f"Dots of the focal {metric.name} by combiner. " + "; ".join(said) + ".",
        caption="Dots are seeds, bars their mean.",
    )


def differences(summary: Summary, metric: Metric) -> Figure | None:
    """Mean over paired seeds and 95 % t interval; one seed gives a hollow dot without an interval."""
    shown = [(encoder.name, found) for encoder in summary.encoders if (found := _compared(encoder))]
    if not shown:
        return None
    said = [f"{name}: {join([f'{c} {difference(d)}' for c, d in found.items()])}" for name, found in shown]
    better = "left" if metric.lower_is_better else "right"
    return Figure(
        name="differences",
        plot=Forest(
            tuple(
                ForestPanel(
                    name,
                    tuple(Row(c, (paired_mark(d, colours.of_combiner(c)),)) for c, d in found.items()),
                )
                for name, found in shown
            ),
            f"{metric.name} minus averaging's (better: {better} of zero)",
        ),
        words=f"Paired differences from averaging with 95% intervals. {'; '.join(said)}.",
        caption=f"{metric.name} of a combiner minus {metric.name} of averaging on the same seed: mean and "
        "95% t interval; hollow: one seed.",
    )


def _marks(score: CombinerScore) -> tuple[Mark, ...]:
    colour = colours.of_combiner(score.combiner)
    seeds = [Mark(v, colour, size=5.0, alpha=0.45) for v in score.values.values() if not math.isnan(v)]
    mean = [Mark(score.estimate.mean, colour, marker="|", size=15.0)] if score.estimate.seeds else []
    return (*seeds, *mean)


def _compared(encoder: EncoderSummary) -> dict[str, Paired]:
    found = ((score.combiner, score.difference) for score in encoder.scores)
    return {name: each for name, each in found if each is not None and each.seeds}
