"""Columns of two answers, such as yes and no, to 1 and 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Pairs of the answer that counts as 1 and the one that counts as 0.
_PAIRS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"yes", "y"}), frozenset({"no", "n"})),
    (frozenset({"true", "t"}), frozenset({"false", "f"})),
    (frozenset({"active", "a"}), frozenset({"inactive", "not active", "in-active", "i"})),
    (frozenset({"positive", "pos", "pos.", "+", "+ve"}), frozenset({"negative", "neg", "neg.", "-", "-ve"})),
    (frozenset({"toxic"}), frozenset({"non-toxic", "nontoxic", "non toxic", "not toxic"})),
    (frozenset({"binder"}), frozenset({"non-binder", "nonbinder", "non binder"})),
)
_UNDECIDED = frozenset(
    {
        "inconclusive",
        "unspecified",
        "equivocal",
        "indeterminate",
        "ambiguous",
        "unknown",
        "undetermined",
        "unclear",
    }
)
_DIGITS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0}


@dataclass(frozen=True)
class Answers:
    """The class of each text; NaN for an answer that decides nothing, such as inconclusive."""

    values: Mapping[str, float]
    conversion: str


def answers_of(texts: Collection[str]) -> Answers | None:
    """The classes of a column's distinct texts, missing marks left out, or None where they are no answers.

    >>> answers_of(["Active", "Inactive", "Inconclusive"]).conversion
    "'Active' read as 1, 'Inactive' read as 0, 'Inconclusive' as missing"
    >>> answers_of(["1", "0"]) is None, answers_of(["high", "low"]) is None
    (True, True)
    """
    decided = {text for text in texts if text.lower() not in _UNDECIDED}
    for yes, no in _PAIRS:
        words = {text for text in decided if text.lower() in yes | no}
        if not words or not decided <= words | set(_DIGITS):
            continue
        # A lone "-" or "n" is a mark for missing rather than an answer.
        if decided == words and len(words) == 1 and not words & {"+"} and len(next(iter(words))) == 1:
            continue
        values = {text: _DIGITS.get(text, float(text.lower() in yes)) for text in decided}
        undecided = sorted(set(texts) - decided)
        said = [
            f"{text!r} read as {values[text]:g}" for text in sorted(words, key=lambda text: -values[text])
        ]
        said += [f"{text!r} as missing" for text in undecided]
        return Answers({**values, **dict.fromkeys(undecided, float("nan"))}, ", ".join(said))
    return None
