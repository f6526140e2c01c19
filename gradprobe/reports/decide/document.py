"""The report of a decision: one recommendation, what every action came to, and what it cost."""

from __future__ import annotations

from gradprobe.records.decision import Claim
from gradprobe.reports.decide import figures, tables
from gradprobe.reports.decide.summary import DecideSummary
from gradprobe.reports.kit.document import Card, Document, Section, Tone
from gradprobe.reports.kit.words import count, join

_TONES: dict[Claim, Tone] = {
    "ahead": "help",
    "averaging": "safe",
    "cannot matter": "safe",
    "not confirmed": "insufficient",
    "not settled": "insufficient",
    "predicted": "insufficient",
}


def decide_document(summary: DecideSummary) -> Document:
    """The document on a decision."""
    decision, manifest = summary.decision, summary.manifest
    return Document(
        title=f"What to do about the auxiliaries of {manifest.focal}",
        subtitle=f"{manifest.encoder} on {manifest.table}; {count(len(manifest.tasks), 'task')}, "
        f"{manifest.molecules} molecules; {decision.cost.trainings:g} trainings",
        headline=decision.sentence if summary.complete else f"So far: {decision.sentence}",
        points=_points(summary),
        cards=(
            Card(
                name=manifest.encoder,
                call=decision.claim,
                tone=_TONES[decision.claim],
                paragraphs=(f"Recommended: {decision.recommended}.",),
                advice=tuple(each.text for each in decision.next_runs[:1]),
            ),
        ),
        sections=(
            Section(
                title="What can be done",
                look_for="Look at the trained effect first: it outranks what was predicted. A refuted "
                "prediction is marked.",
                figure=figures.effects(summary),
                tables=(tables.actions(summary), tables.judged(summary), tables.next_runs(summary)),
                empty="No action has been trained.",
            ),
            Section(
                title="Cost and rule",
                look_for="Look for what the decision took: probed, failed and judging trainings count.",
                tables=(tables.cost(summary), tables.problems(summary)),
            ),
        ),
        scope="Effects on seeds speak of re-splits and initialisations of this table; the molecules set "
        "aside, of new ones like them.",
    )


def _points(summary: DecideSummary) -> tuple[str, ...]:
    decision, points = summary.decision, []
    refuted = [line.action for line in decision.actions if line.refuted]
    if refuted:
        points.append(f"Training refuted what was predicted of {join(refuted)}.")
    idle = [line.action for line in decision.actions if line.status == "cannot matter"]
    if idle:
        points.append(f"Not trained, as they make averaging's update: {join(idle)}.")
    if decision.claim in ("ahead", "averaging"):
        points.append("recipe.toml runs the recommendation: gradprobe compare --config recipe.toml.")
    return (*points, *(f"{note[:1].upper()}{note[1:]}." for note in decision.notes))
