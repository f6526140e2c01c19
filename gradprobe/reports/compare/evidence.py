"""What scores, leverage and predicted gains say of one combiner against averaging."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradprobe.reports.compare.leverage import THRESHOLD, Leverage
from gradprobe.reports.compare.prospect import FEWEST_STEPS, Outlook, Prospect
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.kit.numbers import number, signed, span
from gradprobe.reports.kit.words import count
from gradprobe.reports.statistics.paired import Paired


class Finding(StrEnum):
    """What the evidence says of one combiner."""

    NO_LEVERAGE = "cannot have mattered"
    BETTER = "better than averaging"
    WORSE = "worse than averaging"
    WOULD_GAIN = "would have gained"
    WOULD_NOT = "would not have gained"
    OPEN = "open"


@dataclass(frozen=True)
class Evidence:
    """What is known of one combiner; `leverage`, `difference` and `outlook` are None where there are none.

    `text` holds the numbers, `open_because` the reason of an open finding.
    """

    combiner: str
    finding: Finding
    leverage: Leverage | None
    difference: Paired | None
    text: str
    open_because: str = ""
    outlook: Outlook | None = None


def weigh(
    combiner: str,
    leverage: Leverage | None,
    difference: Paired | None,
    metric: Metric | None,
    outlook: Outlook | None = None,
) -> Evidence:
    """The finding on one combiner.

    Within `THRESHOLD` of averaging at every one of at least `FEWEST_STEPS` measured steps, it cannot
    have mattered there. Else a difference of the score whose interval excludes zero decides, and else the
    predicted gain. A score apart without leverage, or a worse score where a gain was predicted, contradict
    each other, which leaves the matter open.
    """
    still = leverage is not None and _took_averages_direction(leverage)
    apart = difference is not None and metric is not None and difference.excludes_zero
    finding, because = Finding.OPEN, ""
    if still:
        finding = Finding.OPEN if apart else Finding.NO_LEVERAGE
        because = "averaging's direction, and yet another score: one of the two is chance" if apart else ""
    elif apart and difference is not None and metric is not None:
        finding = Finding.BETTER if metric.improves(difference.mean) else Finding.WORSE
        if finding is Finding.WORSE and outlook is not None and outlook.prospect is Prospect.GAIN:
            finding, because = Finding.OPEN, "a gain was predicted, and yet the score was worse"
    elif outlook is not None and outlook.prospect is not Prospect.OPEN:
        finding = Finding.WOULD_GAIN if outlook.prospect is Prospect.GAIN else Finding.WOULD_NOT
    else:
        because = "; ".join(
            filter(None, (_why_open(leverage, difference, metric), outlook.because if outlook else ""))
        )
    parts = (
        describe_leverage(leverage),
        describe_difference(difference, metric),
        outlook.text if outlook is not None else "",
    )
    return Evidence(combiner, finding, leverage, difference, "; ".join(filter(None, parts)), because, outlook)


def describe_leverage(leverage: Leverage | None) -> str:
    """The leverage of a combiner in words."""
    if leverage is None or leverage.steps == 0:
        return f"no leverage: {leverage.reason}" if leverage is not None else ""
    text = f"leverage at most {number(leverage.largest)} at {measured_steps(leverage)}"
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
    ends = span(difference.low, difference.high, signed)
    return f"{text} (95% interval {ends}, {difference.seeds} paired seeds)"


def measured_steps(leverage: Leverage) -> str:
    """The steps that a leverage rests on, in words."""
    if leverage.steps + leverage.undefined < leverage.measured:
        return f"{leverage.steps} of the {leverage.measured} measured minibatch steps"
    return f"the {count(leverage.steps, 'measured minibatch step')}"


def _took_averages_direction(leverage: Leverage) -> bool:
    return leverage.steps >= FEWEST_STEPS and leverage.undefined == 0 and leverage.largest <= THRESHOLD


def _why_open(leverage: Leverage | None, difference: Paired | None, metric: Metric | None) -> str:
    if leverage is None or leverage.steps == 0:
        moved = leverage.reason if leverage is not None else "the leverage is unknown"
    elif leverage.largest > THRESHOLD:
        moved = "the update moves"
    elif leverage.undefined:
        moved = f"the update has no direction at {count(leverage.undefined, 'measured step')}"
    else:
        moved = f"{count(leverage.steps, 'measured minibatch step')} cannot stand for a run"
    if difference is None or metric is None:
        return f"{moved}, and nothing was trained to compare scores" if metric is not None else moved
    if difference.seeds == 0:
        return f"{moved}, and {difference.reason}"
    if difference.seeds == 1:
        return f"{moved}, and one seed gives no interval for the difference in {metric.name}"
    interval_of = f"the interval of the difference in {metric.name}"
    return f"{moved}, and over {difference.seeds} seeds {interval_of} holds zero"
