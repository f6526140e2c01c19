"""The first lines of a report: its title, how complete it is, and the verdict in a sentence."""

from __future__ import annotations

from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.compare.verdict import Call
from gradprobe.reports.kit.words import capital, count, join


def title(summary: Summary) -> str:
    """What the report is about."""
    return f"Task gradients around {summary.focal}" if summary.focal else "Task gradients"


def subtitle(summary: Summary) -> str:
    """The size of what was measured."""
    parts = [summary.name, count(len(summary.tasks), "task")]
    if summary.of_study:
        parts.append(count(len(summary.encoders), "encoder"))
        parts.append(f"{summary.finished} of {count(summary.cells, 'cell')} finished")
        if summary.failed:
            parts.append(f"{summary.failed} failed")
    else:
        splits = [split for encoder in summary.encoders for split in encoder.gradients.splits.values()]
        parts.append(count(sum(split.steps for split in splits), "measurement"))
    return " · ".join(parts)


def headline(summary: Summary) -> str:
    """The verdicts on all encoders in one sentence."""
    by_call = {call: [e for e in summary.encoders if e.verdict.call is call] for call in Call}
    parts = []
    if by_call[Call.HELP]:
        helped = [f"{e.name} ({join(e.verdict.helps)})" for e in by_call[Call.HELP]]
        parts.append(f"surgery may help {join(helped)}")
    if by_call[Call.SAFE]:
        parts.append(f"averaging is safe for {join([e.name for e in by_call[Call.SAFE]])}")
    if by_call[Call.WEIGHT]:
        weighed = join([e.name for e in by_call[Call.WEIGHT]])
        parts.append(f"a larger focal weight may help {weighed}, and surgery no more than that")
    if by_call[Call.INSUFFICIENT]:
        parts.append(f"the evidence is insufficient for {join([e.name for e in by_call[Call.INSUFFICIENT]])}")
    sentence = "; ".join(parts) or "there is nothing to judge"
    return f"So far, {sentence}." if summary.provisional else f"{capital(sentence)}."
