"""The rule that decides a claim, against intervals worked out by hand."""

import math

import pytest

from gradprobe.records.claims import Claim, Contrast, Term
from gradprobe.records.compare import CellKey
from gradprobe.reports.compare.axes.claims import CONTRADICTED, TOO_WIDE, Outcome, outcomes

GAP = Contrast(
    name="",
    terms=(
        Term(measure="error", encoder="dmpnn", combiner="average"),
        Term(measure="error", encoder="mlp", combiner="average", axes=(("batch_size", 64),), weight=-1.0),
    ),
)


def measures(gaps: list[float]) -> dict[CellKey, dict[str, float]]:
    """Cells whose gap is as given, seed by seed, on top of a level that differs between seeds."""
    found = {}
    for seed, gap in enumerate(gaps):
        found[CellKey(encoder="dmpnn", combiner="average", seed=seed)] = {"error": 10.0 * seed + gap}
        mlp = CellKey(encoder="mlp", combiner="average", seed=seed, axes=(("batch_size", 64),))
        found[mlp] = {"error": 10.0 * seed}
        # The same network at the study's own batch size, which the claim is not about.
        found[CellKey(encoder="mlp", combiner="average", seed=seed)] = {"error": -99.0}
    return found


# Two values 1 and 3: mean 2, standard error 1, so the interval is 2 plus and minus 12.706.
NARROW, WIDE = [1.999, 2.001], [1.0, 3.0]


@pytest.mark.parametrize(
    ("gaps", "expect", "margin", "outcome", "reason"),
    [
        (NARROW, "above", 0.0, Outcome.CONFIRMED, ""),
        (NARROW, "above", 2.1, Outcome.NOT_CONFIRMED, CONTRADICTED),
        (NARROW, "below", 0.0, Outcome.NOT_CONFIRMED, CONTRADICTED),
        ([-1.999, -2.001], "below", 1.0, Outcome.CONFIRMED, ""),
        (NARROW, "within", 2.1, Outcome.CONFIRMED, ""),
        (NARROW, "within", 1.9, Outcome.NOT_CONFIRMED, CONTRADICTED),
        (WIDE, "above", 0.0, Outcome.NOT_CONFIRMED, TOO_WIDE),
        (WIDE, "within", 14.8, Outcome.CONFIRMED, ""),
        (WIDE, "within", 14.6, Outcome.NOT_CONFIRMED, TOO_WIDE),
        ([2.0], "above", 0.0, Outcome.NOT_TESTABLE, "one seed has no spread, so no interval"),
        ([2.0, math.nan], "above", 0.0, Outcome.NOT_TESTABLE, "one seed has no spread, so no interval"),
        ([], "above", 0.0, Outcome.NOT_TESTABLE, "no seed has finished all its cells with this measured"),
    ],
)
def test_a_claim_is_decided_by_the_interval_over_seeds(gaps, expect, margin, outcome, reason) -> None:
    claim = Claim(preset="p", text="t", expect=expect, margin=margin, contrasts=(GAP,))
    (found,) = outcomes([claim], measures(gaps))
    assert (found.outcome, found.reason) == (outcome, reason)


def test_a_claim_about_several_is_confirmed_only_if_each_is() -> None:
    reverse = Contrast(
        name="reverse", terms=tuple(t.model_copy(update={"weight": -t.weight}) for t in GAP.terms)
    )
    lost = Contrast(name="lost", terms=(Term(measure="error", encoder="gine", combiner="average"),))

    def outcome(*contrasts: Contrast) -> Outcome:
        claim = Claim(preset="p", text="t", expect="above", contrasts=contrasts)
        return outcomes([claim], measures(NARROW))[0].outcome

    assert outcome(GAP, GAP) is Outcome.CONFIRMED
    assert outcome(GAP, reverse) is Outcome.NOT_CONFIRMED
    assert outcome(GAP, lost) is Outcome.NOT_TESTABLE
    assert outcome(reverse, lost) is Outcome.NOT_CONFIRMED


def test_a_claim_that_the_study_cannot_test_says_why() -> None:
    claim = Claim(preset="p", text="t", expect="above", impossible="the study has no cells with pcgrad")
    (found,) = outcomes([claim], measures(NARROW))
    assert (found.outcome, found.reason) == (Outcome.NOT_TESTABLE, "the study has no cells with pcgrad")
