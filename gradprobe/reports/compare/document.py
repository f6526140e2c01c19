"""The report of a comparison or a trace, from its summary: verdict, cosines, noise, scores, decisions."""

from __future__ import annotations

from collections.abc import Iterator

from gradprobe.reports.compare.actions import next_step
from gradprobe.reports.compare.audit import audit_sections
from gradprobe.reports.compare.axes.document import sweep_sections
from gradprobe.reports.compare.corrected_detail import MOST_TASKS
from gradprobe.reports.compare.figures import corrected, decision, gradients, scores
from gradprobe.reports.compare.headline import headline, subtitle, title
from gradprobe.reports.compare.leverage import THRESHOLD
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.ranking import ranking_in_words
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.compare.tables import actions as action_tables
from gradprobe.reports.compare.tables import corrected as corrected_tables
from gradprobe.reports.compare.tables import decision as decision_tables
from gradprobe.reports.compare.tables import gradients as tables
from gradprobe.reports.compare.tables import scores as score_tables
from gradprobe.reports.compare.verdict import Call
from gradprobe.reports.kit.document import Card, Document, Section, Tone, facts
from gradprobe.reports.kit.words import capital

_NOTHING = "Nothing was measured for this yet."
_NO_FOCAL = "No focal task was named, so nothing can be measured against it."
_TONES: dict[Call, Tone] = {
    Call.SAFE: "safe",
    Call.WEIGHT: "help",
    Call.HELP: "help",
    Call.INSUFFICIENT: "insufficient",
}


def compare_document(summary: Summary) -> Document:
    """The document on a comparison, or on the one run behind a bare trace."""
    return Document(
        title=title(summary),
        subtitle=subtitle(summary),
        headline=headline(summary),
        cards=tuple(_card(summary, encoder) for encoder in summary.encoders),
        scope="“Safe” is said of the minibatch steps that were measured, of directions, and to first order: "
        "it is no promise for steps between them, other data or other step lengths.",
        sections=(
            *audit_sections(summary.audit),
            *sweep_sections(summary.sweep, summary.metric),
            _encoders(summary),
            _cosines(summary),
            *_corrected(summary),
            *_gradients(summary),
            *(_scores(summary, summary.metric) if summary.metric is not None else ()),
            *([_actions(summary)] if any(e.actions for e in summary.encoders) else []),
            *_decisions(summary),
            _leverage(summary),
            *_provenance(summary),
        ),
        basis="Every number here is computed from the recorded Gramians and the cells' metrics; undefined "
        "values are left out of averages and counted under Provenance.",
    )


def _card(summary: Summary, encoder: EncoderSummary) -> Card:
    verdict = encoder.verdict
    paragraphs = [f"{capital(verdict.sentence)}."]
    if verdict.auxiliaries:
        paragraphs.append(f"Auxiliaries: {ranking_in_words(verdict.auxiliaries)}.")
    if constant := score_tables.no_better_than_a_constant(summary, encoder):
        paragraphs.append(constant)
    return Card(
        name=encoder.name,
        call=verdict.call.value,
        tone=_TONES[verdict.call],
        paragraphs=tuple(paragraphs),
        caution=f"{verdict.caution}." if verdict.caution else "",
        advice=verdict.settle,
        details=tuple(
            (entry.combiner, entry.finding.value, entry.text or "nothing is known")
            for entry in verdict.evidence
        ),
    )


def _empty(summary: Summary) -> str:
    return _NOTHING if summary.focal else _NO_FOCAL


def _encoders(summary: Summary) -> Section:
    return Section(
        title="Encoders side by side" if summary.of_study else "The run at a glance",
        look_for="Look for cosines well below zero, where auxiliaries pull against the focal task, and "
        "compare held-out cosines with one another: minibatch cosines are diluted by noise.",
        tables=(tables.encoders(summary),),
    )


def _cosines(summary: Summary) -> Section:
    return Section(
        title="Focal–auxiliary cosines over training",
        look_for="Look for lines that settle below zero on the held-out and train splits; a minibatch line "
        "near zero alone says little, because sampling noise shortens its cosines (or lengthens them where "
        "tasks share molecules in a batch).",
        figure=gradients.cosines(summary),
        tables=(tables.by_split(summary, ["cosine"], "Cosines by split"), tables.auxiliaries(summary)),
        empty=_empty(summary),
    )


def _corrected(summary: Summary) -> Iterator[Section]:
    reasons = dict.fromkeys(encoder.corrected.reason for encoder in summary.encoders)
    empty = _because(summary, [reason for reason in reasons if reason])
    many = f"With more than {MOST_TASKS} tasks there are too many pairs to show."
    detail_empty = many if len(summary.tasks) > MOST_TASKS else empty
    yield Section(
        title="Cosines corrected for noise",
        look_for="Look for auxiliaries distinguishable from zero, and at how far their raw cosines are "
        "from the corrected ones: noise hides a cosine, or makes one up where tasks share molecules "
        "in a batch.",
        figure=corrected.corrected(summary),
        tables=(corrected_tables.corrected(summary),),
        empty=empty,
    )
    yield Section(
        title="Corrected cosines by layer",
        look_for="Look for layers whose colour changes from raw to corrected: there the raw cosine "
        "was noise, or noise hid it.",
        figure=corrected.by_layer(summary),
        empty=detail_empty,
    )
    yield Section(
        title="Corrected cosines of all pairs",
        look_for="Look for pairs that stay red once corrected: conflicts that are no noise.",
        figure=corrected.all_pairs(summary),
        empty=detail_empty,
    )
    yield Section(
        title="Raw cosines at other batch sizes",
        look_for="Look at how steep the lines are: where they are, comparing raw cosines of two "
        "studies with different batches compares their noise.",
        figure=corrected.batch_size(summary),
        empty=empty,
    )


def _gradients(summary: Summary) -> Iterator[Section]:
    yield Section(
        title="Cosines by layer",
        look_for="Look for red rows: layers where auxiliaries conflict with the focal task even if the whole "
        "trunk does not show it, because the cosine of the trunk is not the mean of its layers'.",
        figure=gradients.layers(summary),
        empty=_empty(summary),
    )
    yield Section(
        title="Cosines of all pairs of tasks",
        look_for="Look for blocks of blue, tasks that help one another, and for red cells away from the "
        "focal row: conflicts among auxiliaries that focal-aware methods leave alone.",
        figure=gradients.pairs(summary),
        empty=_NOTHING,
    )
    yield Section(
        title="Effective rank of the representation",
        look_for="Look for a rank that falls during training, which means that molecules become hard to tell "
        "apart; compare encoders only at equal numbers of rows.",
        figure=gradients.effective_rank(summary),
        empty="No effective rank was recorded; a RepresentationProbe on the same trace records it.",
    )
    yield Section(
        title="Gradient overlap against chance",
        look_for="Look for the distance between a line and the dotted line of its colour: an overlap that is "
        "small but far above chance is not zero.",
        figure=gradients.overlap(summary),
        tables=(tables.by_split(summary, ["overlap"], "Overlap by split"),),
        empty=_NOTHING,
    )
    yield Section(
        title="Norm ratios",
        look_for="Look for ratios far from 1: averaging follows the task with the longest gradient, whatever "
        "the cosines.",
        figure=gradients.norm_ratios(summary),
        tables=(tables.by_split(summary, ["norm_ratio"], "Norm ratio, focal over auxiliary"),),
        empty=_empty(summary),
    )
    names = ["negative_fraction", "negative_mass", "conflict_energy", "conflict_energy_per_pair"]
    yield Section(
        title="Conflict",
        look_for="Look for the negative fraction and mass, not the mean cosine: projections and gates act on "
        "negative pairs only.",
        figure=gradients.conflict(summary),
        tables=(tables.by_split(summary, names, "Conflict by split", folded=False),),
        empty=_NOTHING,
        brief=False,
    )


def _scores(summary: Summary, metric: Metric) -> Iterator[Section]:
    yield Section(
        title=f"{metric.name} of {summary.focal} by combiner",
        look_for="Look first at the spread between seeds: a gain smaller than that needs the paired "
        "differences below.",
        figure=scores.scores(summary, metric),
        tables=(
            tables.combiner_scores(summary, metric),
            score_tables.focal_scores(summary, metric),
            score_tables.auxiliary_scores(summary),
        ),
        remarks=score_tables.score_remarks(summary),
        empty=score_tables.why_no_score(summary, "No cell has finished yet."),
    )
    yield Section(
        title="Paired differences from averaging",
        look_for="Look for intervals that leave zero out; one seed has no interval, and several "
        "comparisons raise the false-positive rate.",
        figure=scores.differences(summary, metric),
        empty=score_tables.why_no_score(
            summary, "No combiner has finished a seed that averaging has finished too."
        ),
    )


def _actions(summary: Summary) -> Section:
    return Section(
        title="What can be done instead of averaging",
        look_for="Look at trained effects first: they outrank predictions, and a prediction that training "
        "refuted is marked.",
        tables=(action_tables.actions(summary),),
        remarks=tuple((e.name, next_step(e.actions)) for e in summary.encoders if e.actions),
    )


def _decisions(summary: Summary) -> Iterator[Section]:
    decisions = [encoder.decision for encoder in summary.encoders]
    reasons = dict.fromkeys(r for each in decisions for r in (each.no_heldout, each.no_fresh) if r)
    empty = _because(summary, list(reasons))
    yield Section(
        title="What surgery would have done",
        look_for="Look for dots to the right of the shaded band whose intervals leave it: combiners that "
        "would have gained more than a larger focal weight does. A diamond to the right with its dot at "
        "zero is a combiner that only gives the focal task more weight.",
        figure=decision.gains(summary),
        tables=(
            decision_tables.gains(summary),
            decision_tables.gains_at_equal_rate(summary),
            decision_tables.gains_preconditioned(summary),
        ),
        empty=empty,
    )
    yield Section(
        title="Surgery or a larger focal weight",
        look_for="Look for dots above the line: only there does surgery do what no fixed focal weight does.",
        figure=decision.focal_weight(summary),
        tables=(decision_tables.focal_weights(summary),),
        empty=empty,
    )
    yield Section(
        title="Which auxiliaries help",
        look_for="Look for full dots: auxiliaries whose own gradient helps (blue) or harms (red) the "
        "focal task, and at how far they are from the focal task's own.",
        figure=decision.affinities(summary),
        tables=(decision_tables.affinities(summary),),
        empty=empty,
    )


def _leverage(summary: Summary) -> Section:
    return Section(
        title="Leverage of every combiner",
        look_for=f"Look for full dots left of the dashed line at {THRESHOLD:g}: those combiners took "
        "averaging's direction at every measured step and cannot have mattered there.",
        figure=decision.leverage(summary),
        tables=(tables.leverages(summary),),
        empty="No minibatch of a run with averaging was measured." if summary.focal else _NO_FOCAL,
    )


def _provenance(summary: Summary) -> Iterator[Section]:
    found = summary.provenance
    yield Section(
        title="What is missing",
        look_for="Look for cells that failed and for traces that are damaged before trusting an average.",
        tables=(tables.cells(summary), tables.damages(summary)),
        empty=""
        if found.unfinished or found.damaged
        else "Every cell has finished, and every trace is whole.",
    )
    yield Section(
        title="Provenance",
        look_for="Look for undefined counts before trusting an average.",
        tables=(
            facts("The run", found.facts),
            tables.undefined_counts(summary),
            tables.tasks(summary),
            tables.trunks(summary),
            facts("Options", found.options, folded=True),
            facts("Versions", found.versions, folded=True),
        ),
        brief=False,
    )


def _because(summary: Summary, reasons: list[str]) -> str:
    """Why nothing could be worked out, in a sentence."""
    if not summary.focal:
        reasons = [NO_FOCAL]
    return f"{capital('; '.join(reasons))}." if reasons else _NOTHING
