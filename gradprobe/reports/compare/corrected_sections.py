"""The parts of a report on cosines without the noise of minibatches."""

from __future__ import annotations

from gradprobe.reports.compare.corrected_detail import MOST_TASKS
from gradprobe.reports.compare.corrected_table import corrected
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.numbers import capital
from gradprobe.reports.kit.section import Section


def corrected_sections(summary: Summary) -> tuple[Section, ...]:
    """Corrected cosines with the focal task, by layer, of all pairs, and at other batch sizes."""
    empty = _empty(summary)
    many = f"With more than {MOST_TASKS} tasks there are too many pairs to show."
    detail_empty = many if len(summary.tasks) > MOST_TASKS else empty
    return (
        Section(
            title="Cosines corrected for noise",
            look_for="Look for auxiliaries told from zero, and at how far their raw cosines are from the "
            "corrected ones: noise hides a cosine, or makes one up where tasks share molecules in a batch.",
            tables=(corrected(summary),),
            plate="corrected",
            caption="Diamond: raw cosine on minibatches; dot: corrected cosine, full where trusted; line: "
            "its 95% interval. Arrow: it goes on beyond ±1, or has no bound; a dot beyond is drawn at ±1. "
            "No dot: undefined. Steps with longer gradients weigh more. An interval is for the mean over "
            "these steps and the molecules they drew from: where epochs repeat the same molecules, it does "
            "not hold for others. It also holds for a longer run on the same molecules if cosines do not "
            "drift, or drift fast: a drift whose memory is longer than about a fortieth of the steps can go "
            "unnoticed.",
            empty=empty,
        ),
        Section(
            title="Corrected cosines by layer",
            look_for="Look for layers whose colour changes from raw to corrected: there the raw cosine "
            "was noise, or noise hid it.",
            plate="corrected_layers",
            caption="Cosine with the focal gradient for each layer and auxiliary on minibatches, raw and "
            "then corrected for noise, over all steps; grey: no signal; beyond ±1: drawn at ±1.",
            empty=detail_empty,
        ),
        Section(
            title="Corrected cosines of all pairs",
            look_for="Look for pairs that stay red once corrected: conflicts that are no noise.",
            plate="corrected_pairs",
            caption="Minibatch cosines of all pairs of tasks, raw and then corrected for noise, over all "
            "steps; the focal task comes first; grey: no signal; beyond ±1: drawn at ±1.",
            empty=detail_empty,
        ),
        Section(
            title="Raw cosines at other batch sizes",
            look_for="Look at how steep the lines are: where they are, comparing raw cosines of two "
            "studies with different batches compares their noise.",
            plate="batch_size",
            caption="Raw cosine with the focal task predicted for batches of other sizes from the noise "
            "measured at this one, with its 95% interval. Dots and diamonds are the whole and half "
            "batches that the prediction is fitted to; every other size is extrapolated.",
            empty=empty,
        ),
    )


def _empty(summary: Summary) -> str:
    reasons = dict.fromkeys(encoder.corrected.reason for encoder in summary.encoders)
    said = "; ".join(reason for reason in reasons if reason)
    if not summary.focal:
        said = NO_FOCAL
    return f"{capital(said)}." if said else Section.empty
