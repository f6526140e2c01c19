"""What became of the claims of a study's presets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gradprobe.records.claims import Claim, Contrast
from gradprobe.records.compare import CellKey
from gradprobe.reports.statistics.paired import Paired, over_paired

# The measures of every cell.
Measures = Mapping[CellKey, Mapping[str, float]]


CONTRADICTED = "the interval lies elsewhere"
TOO_WIDE = "the interval is too wide to tell"


class Outcome(Enum):
    """What a study says about a claim."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Tested:
    """One contrast of a claim: its value over seeds, its outcome, and why it is not confirmed."""

    contrast: Contrast
    value: Paired
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class ClaimOutcome:
    """A claim with each of its contrasts. It is confirmed if all are, and not if one is not."""

    claim: Claim
    tested: tuple[Tested, ...]
    outcome: Outcome
    reason: str = ""


def outcomes(claims: Sequence[Claim], measures: Measures) -> tuple[ClaimOutcome, ...]:
    """The outcome of every claim from the measures of the finished cells."""
    seeds = sorted({key.seed for key in measures})
    return tuple(_outcome(claim, measures, seeds) for claim in claims)


def _outcome(claim: Claim, measures: Measures, seeds: Sequence[int]) -> ClaimOutcome:
    tested = tuple(_tested(claim, contrast, measures, seeds) for contrast in claim.contrasts)
    found = {each.outcome for each in tested}
    if Outcome.NOT_CONFIRMED in found:
        outcome = Outcome.NOT_CONFIRMED
    else:
        outcome = Outcome.CONFIRMED if found == {Outcome.CONFIRMED} else Outcome.NOT_TESTABLE
    reasons = dict.fromkeys(each.reason for each in tested if each.reason)
    return ClaimOutcome(claim, tested, outcome, claim.impossible or "; ".join(reasons))


def _tested(claim: Claim, contrast: Contrast, measures: Measures, seeds: Sequence[int]) -> Tested:
    """Whether the interval over seeds lies where the claim expects it; the rule of `records.claims.Claim`."""
    nothing = "no seed has finished all its cells with this measured"
    value = over_paired([_value(contrast, measures, seed) for seed in seeds], nothing=nothing)
    if value.seeds < 2:
        return Tested(contrast, value, Outcome.NOT_TESTABLE, value.reason)
    low, high, margin = value.low, value.high, claim.margin
    inside, outside = {
        "above": (low > margin, high < margin),
        "below": (high < -margin, low > -margin),
        "within": (low > -margin and high < margin, low > margin or high < -margin),
    }[claim.expect]
    if inside:
        return Tested(contrast, value, Outcome.CONFIRMED)
    return Tested(contrast, value, Outcome.NOT_CONFIRMED, CONTRADICTED if outside else TOO_WIDE)


def _value(contrast: Contrast, measures: Measures, seed: int) -> float:
    total = 0.0
    for term in contrast.terms:
        key = CellKey(axes=term.axes, encoder=term.encoder, combiner=term.combiner, seed=seed)
        total += term.weight * measures.get(key, {}).get(term.measure, math.nan)
    return total
