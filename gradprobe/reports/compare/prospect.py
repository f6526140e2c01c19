"""The rule for predicted gains: which combiner would have gained, and which would not (docs/report.md).

The rule and its thresholds were written before any outcome was looked at; change them only with reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gradprobe.geometry import Comparison, Gain, discoveries
from gradprobe.geometry.intervals import FEW_BLOCKS
from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.decision import Decision, Outcome
from gradprobe.reports.kit.numbers import signed_two_digits, span, two_digits
from gradprobe.reports.kit.words import count
from gradprobe.reports.statistics.seeds import NAN

# A gain below this part of what averaging's own step achieves is no reason for surgery.
MARGIN = 0.1
# One-sided, so that for one combiner a gain is told by a 95 % interval above zero.
FALSE_DISCOVERIES = 0.025
# The part of the trials at which a combiner's update may have no direction.
MOST_UNDEFINED = 0.05
# Gains of the same update, worked out in two ways, differ by less than this part of its effect.
_ROUNDING = 1e-12
# Fewer measured steps than this say nothing of a run, however they look.
FEWEST_STEPS = 10


class Prospect(StrEnum):
    """What a combiner would have done for the focal task, by prediction."""

    GAIN = "would have gained"
    NO_GAIN = "would not have gained"
    OPEN = "open"


@dataclass(frozen=True, eq=False)
class Outlook:
    """The prospect of one combiner on the rows of an outcome, at equal step length.

    `gain` and `over_control` are its gains over averaging and over averaging at its mean `focal_share`;
    `margin` is what a gain must pass to be worth anything, and `average` averaging's own effect. `text`
    holds the numbers, `because` the reason of an open prospect.
    """

    combiner: str
    prospect: Prospect
    outcome: Outcome
    gain: Pooled
    over_control: Pooled
    average: Pooled
    focal_share: float
    margin: float
    text: str
    because: str = ""


def judged_on(decision: Decision) -> Outcome | None:
    """Held-out rows where there are enough steps with them, else fresh ones; never the better of both."""
    return next((found for found in decision.outcomes if found.steps >= FEWEST_STEPS), None)


def outlooks(outcome: Outcome) -> dict[str, Outlook]:
    """The prospects of all combiners that do surgery and could be tried.

    The false discovery rate is over all of them, whichever were trained: this is the one set that verdict,
    cautions and tables read from.
    """
    tried = [found for found in outcome.predictions if found.surgery]
    gains = {found.combiner: found.gain for found in tried if found.gain is not None}
    p_values = np.array([_p_above(gain.equal_length) for gain in gains.values()])
    told = discoveries(p_values, FALSE_DISCOVERIES)
    return {
        name: _outlook(name, gain, outcome, told=bool(sure))
        for (name, gain), sure in zip(gains.items(), told, strict=True)
    }


def margin(average: Pooled) -> float:
    """The margin by averaging's own effect: a part of the lower end of its interval, at least 0."""
    return MARGIN * max(float(np.nan_to_num(average.low)), 0.0)


def gains_by_weight(outlook: Outlook) -> bool:
    """Whether the gain over averaging may matter: of a combiner without one over its control, by weight."""
    return float(outlook.gain.high) > outlook.margin


def larger_weight_gains(outcome: Outcome) -> bool:
    """Whether averaging with a larger focal share than its own would have gained what may matter."""
    best = reweighting(outcome)
    if best is None or not best[0] > outcome.average.focal_share:
        return False
    return float(best[1].high) > margin(pooled_of(outcome.average.equal_length.effect))


def reweighting(outcome: Outcome) -> tuple[float, Pooled] | None:
    """The focal share at which averaging would have gained most, with its gain; None: none is told from 0."""
    gains = pooled_of(outcome.curve.equal_length)
    told = gains.p_above <= FALSE_DISCOVERIES / gains.values.size
    if not told.any():
        return None
    best = int(np.nanargmax(np.where(told, gains.values, np.nan)))
    return float(outcome.curve.shares[best]), gains.at(best)


def pooled_of(estimate: object) -> Pooled:
    """An estimate of an outcome as what it is: pooled over runs."""
    assert isinstance(estimate, Pooled)
    return estimate


def unit_of(average: Pooled) -> float:
    """What gains are shown in: one per cent of averaging's own effect where that is told from 0, else 1."""
    return float(average) / 100.0 if float(average.low) > 0.0 else 1.0


def relative(estimate: Pooled, average: Pooled) -> str:
    """A gain with its 95 % interval, in per cent of averaging's own effect where that is told from 0."""
    unit, sign = unit_of(average), " %" if float(average.low) > 0.0 else ""
    dust = _ROUNDING * abs(float(average))

    def write(value: float) -> str:
        return signed_two_digits(value / unit if abs(value) > dust else 0.0)

    ends = span(float(estimate.low), float(estimate.high), write)
    return f"{write(float(estimate))}{sign} ({ends}{sign})"


def _p_above(found: Comparison) -> float:
    """The p value of the smaller gain: both must lie above zero (an intersection-union test)."""
    return max(float(pooled_of(gain).p_above) for gain in (found.gain, found.gain_over_control))


def _outlook(name: str, gain: Gain, outcome: Outcome, *, told: bool) -> Outlook:
    over_average = pooled_of(gain.equal_length.gain)
    over_control = pooled_of(gain.equal_length.gain_over_control)
    average = pooled_of(outcome.average.equal_length.effect)
    limit = margin(average)
    because = _obstacle(gain, over_average)
    prospect = Prospect.OPEN
    if not because:
        both = (over_average, over_control)
        # A gain distinguishable from zero and yet below the margin is too small to matter.
        if any(float(each.high) <= limit for each in both):
            prospect = Prospect.NO_GAIN
        elif told and all(bool(each.agree) and float(each) > 0.0 for each in both):
            prospect = Prospect.GAIN
        else:
            because = _why_open(both, average, told)
    control = f"over averaging at its focal share of {two_digits(gain.focal_share)}"
    text = (
        f"a predicted gain of {relative(over_average, average)} over averaging, "
        f"{relative(over_control, average)} {control}, on {outcome.name}"
    )
    return Outlook(
        name, prospect, outcome, over_average, over_control, average, gain.focal_share, limit, text, because
    )


def _obstacle(gain: Gain, over_average: Pooled) -> str:
    """Why the numbers cannot be judged at all; empty where they can."""
    if gain.trials == 0 or gain.undefined > MOST_UNDEFINED * gain.trials:
        return f"the update has no direction at {gain.undefined} of {count(gain.trials, 'trial')}"
    if np.isnan(over_average.low):
        return f"the predicted gain has no interval ({over_average.reason or FEW_BLOCKS})"
    return ""


def _why_open(gains: Sequence[Pooled], average: Pooled, told: bool) -> str:
    if told:
        return "runs disagree about the sign of the predicted gain"
    if any(bool(each.apart) for each in gains):
        return "runs differ in the predicted gain by more than their errors explain"
    if not float(average.low) > 0.0:
        return "averaging's own steps are not shown to help the focal task, so no gain is small beside theirs"
    return (
        f"the predicted gain can be distinguished neither from zero nor from {100 * MARGIN:g} % of "
        "averaging's effect"
    )


def steps_to_settle(outlook: Outlook, *, most: int) -> int | None:
    """Measured steps at which four windows in five would settle an open prospect; None beyond `most`.

    If gains and their spread stay as they are: intervals narrow with the square root of the steps. None as
    well where more steps are no remedy, as where runs differ.
    """
    differ = bool(outlook.gain.apart) or bool(outlook.over_control.apart)
    if outlook.prospect is not Prospect.OPEN or differ or np.isnan(outlook.gain.low):
        return None
    shrink = max(_to_gain(outlook), _to_no_gain(outlook))
    steps = outlook.outcome.steps
    if not steps / most < shrink**2 < 1.0:
        return None
    return int(np.ceil(steps / shrink**2))


def _half(estimate: Pooled) -> float:
    return float(estimate.high) - float(estimate.values)


# Half a 95 % interval and the 80 % quantile, in units of half a 95 % interval.
_REACH = (1.959964 + 0.841621) / 1.959964


def _to_gain(outlook: Outlook) -> float:
    """The factor on widths at which both gains would differ from zero; 0 where they are not positive."""
    factors = [
        float(gain) / (_REACH * _half(gain)) if _half(gain) > 0.0 else NAN
        for gain in (outlook.gain, outlook.over_control)
    ]
    return max(float(np.nan_to_num(np.min(factors))), 0.0)


def _to_no_gain(outlook: Outlook) -> float:
    """The factor on widths at which one of the gains would be told to be below the margin; 0: never."""
    best = 0.0
    for gain in (outlook.gain, outlook.over_control):
        room = MARGIN * float(outlook.average) - float(gain)
        width = _REACH * _half(gain) + MARGIN * _half(outlook.average)
        if float(outlook.average) > 0.0 and width > 0.0:
            best = max(best, room / width)
        if float(gain) < 0.0 and _half(gain) > 0.0:
            best = max(best, -float(gain) / (_REACH * _half(gain)))
    return best
