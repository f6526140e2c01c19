"""Whether averaging is safe, a larger focal weight or surgery may help, or the evidence does not say.

The evidence is of three kinds. Scores: a difference of the focal score from averaging, paired by seed, whose
interval excludes zero. Leverage: a combiner whose update stayed within `THRESHOLD` of averaging's at the
measured steps cannot have mattered there. Predicted gains: what steps of a combiner would have done for the
focal task on rows that did not make them (`gradprobe.reports.prospect`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.cautions import gain_cautions, score_cautions
from gradprobe.reports.compare.decision import Decision
from gradprobe.reports.compare.evidence import Evidence, Finding, describe_difference, measured_steps, weigh
from gradprobe.reports.compare.leverage import THRESHOLD, Leverage
from gradprobe.reports.compare.prospect import (
    Outlook,
    gains_by_weight,
    judged_on,
    larger_weight_gains,
    outlooks,
    relative,
)
from gradprobe.reports.compare.ranking import Ranked, ranked
from gradprobe.reports.compare.scores import CombinerScore, Metric
from gradprobe.reports.compare.settling import what_would_settle
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.kit.words import count, join

_HELPS = (Finding.BETTER, Finding.WOULD_GAIN)


class Call(StrEnum):
    """The four values of a verdict."""

    SAFE = "averaging is safe"
    WEIGHT = "no surgery beyond a larger focal weight"
    HELP = "surgery may help"
    INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one encoder.

    `helps` names the combiners that did better than averaging or would have gained, `evidence` covers
    every combiner judged, `settle` says what would settle an open question, `caution` qualifies the
    verdict. `auxiliaries` are ranked by affinity; empty where nothing could be judged. `outlooks` are those
    of every combiner that could be tried, judged or not, over which the false discovery rate holds.
    """

    call: Call
    sentence: str
    helps: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    settle: tuple[str, ...]
    caution: str = ""
    auxiliaries: tuple[Ranked, ...] = ()
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)


def decide(
    leverages: Sequence[Leverage],
    scores: Sequence[CombinerScore],
    metric: Metric | None,
    *,
    decision: Decision | None = None,
    assuming: str = "",
) -> Verdict:
    """The verdict from every combiner's leverage and predicted gain, and the scores of those trained.

    Judged are the combiners of the study whose weights change with the gradients; without any, every
    registered one. Surgery may help where one of them did better than averaging or would have gained;
    averaging is safe where each of them did worse, cannot have mattered, or would not have gained. Where
    one of these would have gained over averaging but not over its control, or averaging with a larger
    focal share would have, that larger weight is what may help. `assuming` is what must be true of the run
    for that.
    """
    by_name = {leverage.combiner: leverage for leverage in leverages}
    differences = {score.combiner: score.difference for score in scores if score.difference is not None}
    surgery = [leverage.combiner for leverage in leverages if leverage.surgery]
    judged = [name for name in differences if name in surgery] or surgery
    outcome = judged_on(decision) if decision is not None else None
    prospects = outlooks(outcome) if outcome is not None else {}
    evidence = tuple(
        weigh(name, by_name.get(name), differences.get(name), metric, prospects.get(name)) for name in judged
    )
    call = _call(evidence, weight=outcome is not None and larger_weight_gains(outcome))
    cautions = [
        *score_cautions(evidence, differences, metric),
        *(gain_cautions(evidence, outcome, prospects) if outcome is not None else ()),
        *([assuming] if assuming and call is not Call.INSUFFICIENT else ()),
    ]
    return Verdict(
        call=call,
        sentence=_sentence(call, evidence, metric),
        helps=tuple(entry.combiner for entry in evidence if entry.finding in _HELPS),
        evidence=evidence,
        settle=what_would_settle(evidence, scores, metric) if call is Call.INSUFFICIENT else (),
        caution="; ".join(cautions),
        auxiliaries=ranked(outcome) if outcome is not None else (),
        outlooks=prospects,
    )


def _call(evidence: Sequence[Evidence], *, weight: bool) -> Call:
    findings = [entry.finding for entry in evidence]
    if any(finding in _HELPS for finding in findings):
        return Call.HELP
    if not findings or Finding.OPEN in findings:
        return Call.INSUFFICIENT
    by_weight = any(gains_by_weight(found) for found in _without_gain(evidence))
    return Call.WEIGHT if weight or by_weight else Call.SAFE


def _without_gain(evidence: Sequence[Evidence]) -> list[Outlook]:
    """The outlooks of the combiners that would not have gained."""
    return [e.outlook for e in evidence if e.finding is Finding.WOULD_NOT and e.outlook is not None]


def _sentence(call: Call, evidence: Sequence[Evidence], metric: Metric | None) -> str:
    found = {finding: [entry for entry in evidence if entry.finding is finding] for finding in Finding}
    if call is Call.HELP:
        better = [
            f"with {e.combiner}, {describe_difference(e.difference, metric)}" for e in found[Finding.BETTER]
        ]
        return "; ".join(better + _would_gain(found[Finding.WOULD_GAIN], metric))
    parts = [_open(found[Finding.OPEN])] if call is Call.INSUFFICIENT else []
    if found[Finding.NO_LEVERAGE]:
        parts.append(_no_leverage(found[Finding.NO_LEVERAGE]))
    if found[Finding.WOULD_NOT]:
        parts += _would_not_gain(_without_gain(evidence))
    if found[Finding.WORSE] and metric is not None:
        names = join([entry.combiner for entry in found[Finding.WORSE]])
        parts.append(
            f"with {names}, {metric.name} was worse than with averaging, with intervals that exclude zero"
        )
    return "; ".join(parts)


def _would_gain(entries: Sequence[Evidence], metric: Metric | None) -> list[str]:
    """The combiner that would have gained most beyond its control in full, the others in a word each."""
    known = [(entry, entry.outlook) for entry in entries if entry.outlook is not None]
    known.sort(key=lambda pair: float(pair[1].over_control), reverse=True)
    if not known:
        return []
    (best, outlook), *others = known
    outcome = outlook.outcome
    measured = f"{count(outcome.steps, 'step')} of {count(outcome.runs, 'run')} with averaging"
    trained = describe_difference(best.difference, metric)
    said = [
        f"with {best.combiner}, {outlook.text} ({measured})" + (f"; trained, {trained}" if trained else "")
    ]
    if others:
        gains = [f"{e.combiner} {relative(found.over_control, found.average)}" for e, found in others]
        said.append(f"over averaging at their focal shares, also {join(gains)}")
    return said


def _would_not_gain(outlooks: Sequence[Outlook]) -> list[str]:
    """Combiners without a gain over averaging, then those whose gain is that of a larger focal weight."""
    outcome = outlooks[0].outcome
    seen = f"over {count(outcome.steps, 'step')} of {count(outcome.runs, 'run')} with averaging"
    where = f"on {outcome.name}, {seen}"
    none = [each for each in outlooks if not gains_by_weight(each)]
    by_weight = [each for each in outlooks if gains_by_weight(each)]
    parts = []
    if none:
        parts.append(f"steps of {_names(none)} would have {_at_most(none)} averaging's own {where}")
    if by_weight:
        high = max(by_weight, key=lambda each: float(each.gain))
        beyond = _most([each.over_control for each in by_weight], high.average)
        parts.append(
            f"{_names(by_weight)} would have gained no more than a larger focal weight does: over averaging "
            f"at their focal shares, at most {beyond}; over plain averaging, up to "
            f"{relative(high.gain, high.average)}, {where}"
        )
    return parts


def _at_most(outlooks: Sequence[Outlook]) -> str:
    """What steps would have gained at most over averaging's, in words that `averaging's own` ends."""
    average = outlooks[0].average
    if not float(average.low) > 0.0:
        return "achieved less than"
    return f"gained at most {_most([each.gain for each in outlooks], average)} over"


def _most(gains: Sequence[Pooled], average: Pooled) -> str:
    """The largest upper end of the intervals of gains, in per cent of averaging's effect where that helps."""
    most = max([float(gain.high) for gain in gains] + [0.0])
    if not float(average.low) > 0.0:
        return number(most, digits=2)
    return f"{number(100.0 * most / float(average), digits=2)} %"


def _names(outlooks: Sequence[Outlook]) -> str:
    return join([each.combiner for each in outlooks])


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
