"""Claims that a study tests: contrasts of measures over its cells, and the rule that decides each.

The rule is stored before a cell has run, so that no outcome can move it.
"""

from __future__ import annotations

from typing import Literal

from gradprobe.records.compare_keys import Point
from gradprobe.records.record import Record

MEASURES = (
    "error",
    "minibatch",
    "minibatch_corrected",
    "train",
    "train_corrected",
    "heldout",
    "heldout_corrected",
    "train_before",
    "heldout_before",
    "rank",
    "overlap",
)
Expectation = Literal["above", "below", "within"]


class Term(Record):
    """A weight times a measure of the cells of one encoder and combiner at one point of the axes."""

    measure: str
    encoder: str
    combiner: str
    axes: Point = ()
    weight: float = 1.0


class Contrast(Record):
    """A sum of terms, one number a seed, under a name that says what it is."""

    name: str
    terms: tuple[Term, ...]


class Claim(Record):
    """A sentence, and the contrasts that must all be as expected for it to be confirmed.

    The 95 % t interval over seeds of each contrast must lie above `margin`, below minus `margin`, or within
    plus and minus `margin`. `impossible` says why this study cannot test the claim whatever runs.
    """

    preset: str
    text: str
    expect: Expectation
    margin: float = 0.0
    contrasts: tuple[Contrast, ...] = ()
    impossible: str = ""
