"""Whether averaging is safe, whether surgery may help, or whether the evidence does not say.

The evidence is of two kinds. Leverage: a combiner whose update stayed within `THRESHOLD` of
averaging's at the measured steps cannot have mattered there. Scores: a difference of the focal score
from averaging, paired by seed, whose interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gradprobe.reports.evidence import Evidence, Finding, describe_difference, measured_steps, weigh
from gradprobe.reports.leverage import THRESHOLD, Leverage
from gradprobe.reports.manifest import SINGLE_TASK
from gradprobe.reports.paired import Paired
from gradprobe.reports.scores import CombinerScore, Metric
from gradprobe.reports.settling import what_would_settle
from gradprobe.reports.wording import join, number

# What does no surgery, and still may beat averaging.
_CONTROLS = {
    "weighted": "reweighted averaging, which does no surgery,",
    SINGLE_TASK: "the focal task trained alone",
}


class Call(StrEnum):
    """The three values of a verdict."""

    SAFE = "averaging is safe"
    HELP = "surgery may help"
    INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one encoder.

    `helps` names the combiners that did better than averaging, `evidence` covers every combiner
    judged, `settle` says what would settle an open question, `caution` qualifies the verdict.
    """

    call: Call
    sentence: str
    helps: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    settle: tuple[str, ...]
    caution: str = ""


def decide(
    leverages: Sequence[Leverage],
    scores: Sequence[CombinerScore],
    metric: Metric | None,
    *,
    assuming: str = "",
) -> Verdict:
    """The verdict from the leverage of every combiner and the scores of those that were trained.

    Judged are the combiners of the study whose weights change with the gradients; without any, every
    registered one. Surgery may help where one of them did better than averaging; averaging is safe
    where each of them either did worse or cannot have mattered. `assuming` is what must be true of
    the run for that.
    """
    by_name = {leverage.combiner: leverage for leverage in leverages}
    differences = {score.combiner: score.difference for score in scores if score.difference is not None}
    surgery = [leverage.combiner for leverage in leverages if leverage.surgery]
    judged = [name for name in differences if name in surgery] or surgery
    evidence = tuple(weigh(name, by_name.get(name), differences.get(name), metric) for name in judged)
    helps = tuple(entry.combiner for entry in evidence if entry.finding is Finding.BETTER)
    call = _call([entry.finding for entry in evidence])
    cautions = _caution(helps, differences, metric, len(evidence))
    return Verdict(
        call=call,
        sentence=_sentence(call, evidence, metric),
        helps=helps,
        evidence=evidence,
        settle=what_would_settle(evidence, scores, metric) if call is Call.INSUFFICIENT else (),
        caution="; ".join(filter(None, (cautions, assuming if call is Call.SAFE else ""))),
    )


def _call(findings: Sequence[Finding]) -> Call:
    if Finding.BETTER in findings:
        return Call.HELP
    return Call.INSUFFICIENT if not findings or Finding.OPEN in findings else Call.SAFE


def _sentence(call: Call, evidence: Sequence[Evidence], metric: Metric | None) -> str:
    found = {finding: [entry for entry in evidence if entry.finding is finding] for finding in Finding}
    if call is Call.HELP:
        better = found[Finding.BETTER]
        return "; ".join(f"with {e.combiner}, {describe_difference(e.difference, metric)}" for e in better)
    parts = [_open(found[Finding.OPEN])] if call is Call.INSUFFICIENT else []
    if found[Finding.NO_LEVERAGE]:
        parts.append(_no_leverage(found[Finding.NO_LEVERAGE]))
    if found[Finding.WORSE] and metric is not None:
        names = join([entry.combiner for entry in found[Finding.WORSE]])
        parts.append(
            f"with {names}, {metric.name} was worse than with averaging, with intervals that exclude zero"
        )
    return "; ".join(parts)


def _open(entries: Sequence[Evidence]) -> str:
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        reasons.setdefault(entry.open_because, []).append(entry.combiner)
    return (
        "; ".join(f"open for {join(names)} ({reason})" for reason, names in reasons.items())
        or "nothing to judge"
    )


def _no_leverage(entries: Sequence[Evidence]) -> str:
    known = [entry.leverage for entry in entries if entry.leverage is not None]
    largest = max(known, key=lambda leverage: leverage.largest)
    names = join([entry.combiner for entry in entries])
    return (
        f"at {measured_steps(largest)}, {names} stayed within {THRESHOLD:g} of averaging's update "
        f"(largest leverage {number(largest.largest)}) and cannot have mattered there"
    )


def _caution(
    helps: Sequence[str], differences: Mapping[str, Paired], metric: Metric | None, judged: int
) -> str:
    """What qualifies a verdict: comparisons made, and controls that did better without surgery."""
    if metric is None:
        return ""
    parts = []
    if helps and judged > 1:
        parts.append(f"{judged} combiners were compared, and the intervals are not corrected for that")
    if helps and "weighted" not in differences:
        parts.append("no reweighted averaging was trained as a control")
    for control, what in _CONTROLS.items():
        difference = differences.get(control)
        if difference is not None and difference.excludes_zero and metric.improves(difference.mean):
            parts.append(f"{what} did better than averaging{' too' if helps else ''}")
    return "; ".join(parts)
