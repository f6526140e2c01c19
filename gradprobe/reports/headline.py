"""The first lines of a report: its title, how complete it is, and the verdict in a sentence."""

from __future__ import annotations

from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.verdict import Call
from gradprobe.reports.wording import count, join


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
        found = summary.encoders[0].gradients
        parts.append(count(sum(s.steps for s in found.splits.values()) if found else 0, "measurement"))
    return " · ".join(parts)


def headline(summary: Summary) -> str:
    """The verdict on every encoder in one sentence."""
    calls = "; ".join(call_of(encoder) for encoder in summary.encoders)
    return f"So far, {calls}." if summary.provisional else f"{calls[:1].upper()}{calls[1:]}."


def call_of(encoder: EncoderSummary) -> str:
    """The verdict on one encoder in a few words."""
    verdict = encoder.verdict
    call = verdict.call.value
    if verdict.call is Call.HELP:
        call = f"{call} ({join(verdict.helps)})"
    return f"{encoder.name}: {call}"
