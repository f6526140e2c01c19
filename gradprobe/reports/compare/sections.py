"""The parts of a report from top to bottom: what to look for, the figure, the tables."""

from __future__ import annotations

from gradprobe.reports.compare import tables
from gradprobe.reports.compare.corrected_sections import corrected_sections
from gradprobe.reports.compare.decision_sections import decision_sections
from gradprobe.reports.compare.leverage import THRESHOLD
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.section import Section

_NO_FOCAL = "No focal task was named, so nothing can be measured against it."
_BAND = "Lines are means over seeds, bands run from the lowest to the highest seed."


def sections(summary: Summary) -> tuple[Section, ...]:
    """The sections below the verdict."""
    return (
        _encoders(summary),
        _cosines(summary),
        *corrected_sections(summary),
        _layers(summary),
        _pairs(),
        _rank(),
        _overlap(summary),
        _norm_ratios(summary),
        _conflict(summary),
        *(_scores(summary) if summary.of_study else ()),
        *decision_sections(summary),
        _leverage(summary),
        _provenance(summary),
    )


def _empty(summary: Summary) -> str:
    return Section.empty if summary.focal else _NO_FOCAL


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
        tables=(tables.by_split(summary, ["cosine"], "Cosines by split"), tables.auxiliaries(summary)),
        plate="cosines",
        caption=f"Cosine of the focal gradient with an auxiliary's, mean over auxiliaries. {_BAND}",
        empty=_empty(summary),
    )


def _layers(summary: Summary) -> Section:
    return Section(
        title="Cosines by layer",
        look_for="Look for red rows: layers where auxiliaries conflict with the focal task even if the whole "
        "trunk does not show it, because the cosine of the trunk is not the mean of its layers'.",
        plate="layers",
        caption="Cosine with the focal gradient for each layer and auxiliary, averaged over the steps after "
        "the first update and over seeds; grey: undefined.",
        empty=_empty(summary),
    )


def _pairs() -> Section:
    return Section(
        title="Cosines of all pairs of tasks",
        look_for="Look for blocks of blue, tasks that help one another, and for red cells away from the "
        "focal row: conflicts among auxiliaries that focal-aware methods leave alone.",
        plate="pairs",
        caption="Averages over the steps from 0 on and over seeds; the focal task comes first.",
    )


def _rank() -> Section:
    return Section(
        title="Effective rank of the representation",
        look_for="Look for a rank that falls during training, which means that molecules become hard to tell "
        "apart; compare encoders only at equal numbers of rows.",
        plate="effective_rank",
        caption=f"exp(entropy of the normalised singular values), uncentred. {_BAND}",
        empty="No effective rank was recorded; a RepresentationProbe on the same trace records it.",
    )


def _overlap(summary: Summary) -> Section:
    return Section(
        title="Gradient overlap against chance",
        look_for="Look for the distance between a line and the dotted line of its colour: an overlap that is "
        "small but far above chance is not zero.",
        tables=(tables.by_split(summary, ["overlap"], "Overlap by split"),),
        plate="overlap",
        caption="Mean |cosine| over all pairs of tasks on minibatches; dotted: two random directions. "
        + _BAND,
    )


def _norm_ratios(summary: Summary) -> Section:
    return Section(
        title="Norm ratios",
        look_for="Look for ratios far from 1: averaging follows the task with the longest gradient, whatever "
        "the cosines.",
        tables=(tables.by_split(summary, ["norm_ratio"], "Norm ratio, focal over auxiliary"),),
        plate="norm_ratios",
        caption="Norm of the focal gradient over an auxiliary's, geometric mean over minibatches and seeds.",
        empty=_empty(summary),
    )


def _conflict(summary: Summary) -> Section:
    names = ["negative_fraction", "negative_mass", "conflict_energy", "conflict_energy_per_pair"]
    return Section(
        title="Conflict",
        look_for="Look for the negative fraction and mass, not the mean cosine: projections and gates act on "
        "negative pairs only.",
        tables=(tables.by_split(summary, names, "Conflict by split", folded=False),),
        plate="conflict",
        caption="Fraction: share of auxiliaries whose cosine with the focal task is negative. Mass: mean of "
        f"max(0, −cosine) with the focal task. Energy: the same over all pairs. {_BAND}",
    )


def _scores(summary: Summary) -> tuple[Section, ...]:
    assert summary.metric is not None
    name = summary.metric.name
    return (
        Section(
            title=f"{name} of {summary.focal} by combiner",
            look_for="Look first at the spread between seeds: a gain smaller than that needs the paired "
            "differences below.",
            tables=(tables.combiner_scores(summary, summary.metric),),
            plate="scores",
            caption="Dots are seeds, bars their mean.",
            empty="No cell has finished yet.",
        ),
        Section(
            title="Paired differences from averaging",
            look_for="Look for intervals that leave zero out; one seed has no interval, and several "
            "comparisons make a chance hit likelier.",
            plate="differences",
            caption=f"{name} of a combiner minus {name} of averaging on the same seed: mean and 95% t "
            "interval; hollow: one seed.",
            empty="No combiner has finished a seed that averaging has finished too.",
        ),
    )


def _leverage(summary: Summary) -> Section:
    return Section(
        title="Leverage of every combiner",
        look_for=f"Look for full dots left of the dashed line at {THRESHOLD:g}: those combiners took "
        "averaging's direction at every measured step and cannot have mattered there.",
        tables=(tables.leverages(summary),),
        plate="leverage",
        caption="1 − cosine between a combiner's update and averaging's, from the recorded minibatch "
        "Gramians; combiners that were not trained are included.",
        empty="No minibatch of a run with averaging was measured." if summary.focal else _NO_FOCAL,
    )


def _provenance(summary: Summary) -> Section:
    found = summary.provenance
    shown = (
        tables.cells(summary),
        tables.damages(summary),
        tables.facts("The run", found.facts),
        tables.undefined_counts(summary),
        tables.tasks(summary),
        tables.trunks(summary),
        tables.facts("Options", found.options, folded=True),
        tables.facts("Versions", found.versions, folded=True),
    )
    return Section(
        title="Provenance",
        look_for="Look for cells that failed and for undefined counts before trusting an average.",
        tables=tuple(table for table in shown if table.rows),
    )
