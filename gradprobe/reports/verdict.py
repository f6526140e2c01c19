"""Whether averaging is safe, whether surgery may help, or whether the evidence does not say.

The evidence is of two kinds. Leverage: a combiner whose update stayed within `THRESHOLD` of
averaging's at the measured steps cannot have mattered there. Scores: a difference of the focal score
from averaging, paired by seed, whose interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gradprobe.reports.leverage import AVERAGE, THRESHOLD, Leverage
from gradprobe.reports.manifest import SINGLE_TASK
from gradprobe.reports.measured import NO_FOCAL
from gradprobe.reports.paired import Paired, seeds_to_settle
from gradprobe.reports.scores import CombinerScore, Metric
from gradprobe.reports.wording import count, interval, join, number

# Fewer measured steps than this say nothing of a run, however they look.
FEWEST_STEPS = 10


class Call(StrEnum):
    """The three values of a verdict."""

    SAFE = "averaging is safe"
    HELP = "surgery may help"
    INSUFFICIENT = "insufficient evidence"


class Finding(StrEnum):
    """What the evidence says of one combiner."""

    NO_LEVERAGE = "cannot have mattered"
    BETTER = "better than averaging"
    WORSE = "worse than averaging"
    OPEN = "open"


@dataclass(frozen=True)
class Evidence:
    """What is known of one combiner; `leverage` and `difference` are None where there are none."""

    combiner: str
    finding: Finding
    leverage: Leverage | None
    difference: Paired | None
    text: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on one encoder.

    `helps` names the combiners that improved on averaging, `evidence` covers every combiner judged,
    `settle` says what would settle an open question; `caution` qualifies a positive finding.
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

    Judged are the combiners of the study that change weights with the gradients; without any, every
    registered one. `assuming` is what the reader must know to be true of the run.
    """
    by_name = {leverage.combiner: leverage for leverage in leverages}
    differences = {score.combiner: score.difference for score in scores if score.difference is not None}
    surgery = [leverage.combiner for leverage in leverages if leverage.surgery]
    judged = [name for name in differences if name in surgery] or surgery
    evidence = tuple(_weigh(name, by_name.get(name), differences.get(name), metric) for name in judged)
    helps = tuple(entry.combiner for entry in evidence if entry.finding is Finding.BETTER)
    call = _call(evidence)
    return Verdict(
        call=call,
        sentence=_sentence(call, evidence, metric),
        helps=helps,
        evidence=evidence,
        settle=_settle(evidence, scores, metric) if call is Call.INSUFFICIENT else (),
        caution=_caution(helps, differences, metric, len(evidence)) or assuming,
    )


def _call(evidence: Sequence[Evidence]) -> Call:
    findings = [entry.finding for entry in evidence]
    if Finding.BETTER in findings:
        return Call.HELP
    return Call.INSUFFICIENT if not findings or Finding.OPEN in findings else Call.SAFE


def _weigh(name: str, leverage: Leverage | None, difference: Paired | None, metric: Metric | None) -> Evidence:
    still = leverage is not None and _no_leverage(leverage)
    told_apart = difference is not None and difference.excludes_zero
    finding = Finding.OPEN
    if still and not told_apart:
        finding = Finding.NO_LEVERAGE
    elif told_apart and not still and difference is not None and metric is not None:
        finding = Finding.BETTER if metric.improves(difference.mean) else Finding.WORSE
    parts = [describe_leverage(leverage), describe_difference(difference, metric)]
    if still and told_apart:
        parts.append("the two contradict each other")
    return Evidence(name, finding, leverage, difference, "; ".join(part for part in parts if part))


def _no_leverage(leverage: Leverage) -> bool:
    return leverage.steps >= FEWEST_STEPS and leverage.undefined == 0 and leverage.largest <= THRESHOLD


def describe_leverage(leverage: Leverage | None) -> str:
    """The leverage of a combiner in words."""
    if leverage is None or leverage.steps == 0:
        return f"no leverage: {leverage.reason}" if leverage is not None else ""
    steps = _steps(leverage)
    text = f"leverage at most {number(leverage.largest)} at {steps}"
    return text + (f", undefined at {leverage.undefined}" if leverage.undefined else "")


def describe_difference(difference: Paired | None, metric: Metric | None) -> str:
    """The paired difference of a combiner in words."""
    if difference is None or metric is None:
        return ""
    if difference.seeds == 0:
        return difference.reason
    text = f"{metric.name} {number(difference.mean, signed=True)} against averaging"
    if difference.seeds == 1:
        return f"{text} on one seed, which has no interval"
    return f"{text} (95% interval {interval(difference)}, {difference.seeds} paired seeds)"


def _steps(leverage: Leverage) -> str:
    if leverage.steps + leverage.undefined < leverage.measured:
        return f"{leverage.steps} of the {leverage.measured} measured minibatch steps"
    return f"the {count(leverage.steps, 'measured minibatch step')}"


def _sentence(call: Call, evidence: Sequence[Evidence], metric: Metric | None) -> str:
    if call is Call.HELP:
        return "; ".join(
            f"{entry.combiner} did better than averaging: {describe_difference(entry.difference, metric)}"
            for entry in evidence
            if entry.finding is Finding.BETTER
        )
    still = [entry for entry in evidence if entry.finding is Finding.NO_LEVERAGE and entry.leverage is not None]
    worse = [entry.combiner for entry in evidence if entry.finding is Finding.WORSE]
    parts = []
    if still:
        parts.append(_still_sentence(still))
    if worse and metric is not None:
        parts.append(f"{join(worse)} did worse than averaging, with intervals of {metric.name} that exclude zero")
    if call is Call.INSUFFICIENT:
        parts.insert(0, _open_sentence([entry for entry in evidence if entry.finding is Finding.OPEN], metric))
    return "; ".join(parts)


def _still_sentence(still: Sequence[Evidence]) -> str:
    largest = max(still, key=lambda entry: entry.leverage.largest if entry.leverage else 0.0)
    assert largest.leverage is not None
    return (
        f"at {_steps(largest.leverage)} the updates of {join([entry.combiner for entry in still])} stayed "
        f"within {number(THRESHOLD)} of averaging's (largest leverage {number(largest.leverage.largest)}), "
        "so they cannot have mattered there"
    )


def _open_sentence(still_open: Sequence[Evidence], metric: Metric | None) -> str:
    if not still_open:
        return "no combiner could be judged"
    names = join([entry.combiner for entry in still_open])
    known = [entry for entry in still_open if entry.leverage is not None and entry.leverage.steps]
    if not known:
        reasons = dict.fromkeys(entry.leverage.reason for entry in still_open if entry.leverage is not None)
        return f"nothing to judge {names} by: {'; '.join(reasons)}"
    steps = max(entry.leverage.steps for entry in known if entry.leverage is not None)
    if steps < FEWEST_STEPS:
        return f"{count(steps, 'measured minibatch step')} {'is' if steps == 1 else 'are'} too few to judge {names}"
    compared = [entry.difference for entry in still_open if entry.difference is not None and entry.difference.seeds]
    change = "changes" if len(still_open) == 1 else "change"
    if not compared or metric is None:
        return f"{names} {change} the update, and nothing was trained with {_them(still_open)} to compare scores"
    seeds = max(difference.seeds for difference in compared)
    if seeds == 1:
        return f"{names} {change} the update, and one seed gives no interval for the difference in {metric.name}"
    return f"{names} {change} the update, but over {seeds} seeds no difference in {metric.name} stands out from zero"


def _them(evidence: Sequence[Evidence]) -> str:
    return "it" if len(evidence) == 1 else "them"


def _settle(
    evidence: Sequence[Evidence], scores: Sequence[CombinerScore], metric: Metric | None
) -> tuple[str, ...]:
    still_open = [entry for entry in evidence if entry.finding is Finding.OPEN]
    steps = max((entry.leverage.steps for entry in still_open if entry.leverage is not None), default=0)
    advice = []
    if any(entry.leverage is not None and entry.leverage.reason == NO_FOCAL for entry in still_open):
        return ("Name the focal task when attaching the probe: GradientProbe(model, focal=...).",)
    if steps < FEWEST_STEPS:
        advice.append(f"Measure at least {FEWEST_STEPS} minibatch steps of a run with averaging.")
    if metric is None:
        advice.append("Train with averaging and with the combiners in question over several seeds (gradprobe compare).")
        return tuple(advice)
    trained = {score.combiner: len(score.values) for score in scores}
    missing = [name for name in (AVERAGE, *(e.combiner for e in still_open)) if not trained.get(name)]
    if missing:
        advice.append(f"Finish cells of {join(missing)} over at least 3 seeds.")
    for entry in still_open:
        if entry.difference is not None and entry.difference.seeds:
            advice.append(f"{entry.combiner}: {_more_seeds(entry.difference)}.")
    return tuple(advice)


def _more_seeds(difference: Paired) -> str:
    if difference.seeds == 1:
        return "run at least 3 seeds"
    needed = seeds_to_settle(difference)
    if needed is None:
        return "no number of seeds up to 200 would settle a difference this small against its spread"
    return f"about {needed} seeds, if difference and spread stay as they are"


def _caution(
    helps: Sequence[str], differences: Mapping[str, Paired], metric: Metric | None, judged: int
) -> str:
    if not helps or metric is None:
        return ""
    parts = []
    if judged > 1:
        parts.append(f"{judged} combiners were compared and the intervals are not corrected for that")
    control = differences.get("weighted")
    if control is None:
        parts.append("no reweighted averaging was trained as a control")
    elif control.excludes_zero and metric.improves(control.mean):
        parts.append("reweighted averaging, which does no surgery, did better than averaging too")
    alone = differences.get(SINGLE_TASK)
    if alone is not None and alone.excludes_zero and metric.improves(alone.mean):
        parts.append("the focal task trained alone did better than averaging too")
    return "; ".join(parts)
