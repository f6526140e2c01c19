"""What decisions are worth against the truth. Written before any policy was valued.

Effects are mean log reductions of the true excess risk. The oracle chooses by one half of the truth seeds and
is valued, as every policy is, on the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, mannwhitneyu

from .desk import Decision, Truth
from .problem import AVERAGE

MARGIN = 0.05
_DROP = "drop "


@dataclass(frozen=True)
class Rate:
    """`part` of `whole`, with its Clopper-Pearson interval at 95 %."""

    part: int
    whole: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        if self.whole == 0:
            return 0.0, 1.0
        found = binomtest(self.part, self.whole).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        if self.whole == 0:
            return "none"
        low, high = self.interval
        ends = f"{100 * low:.1f}-{100 * high:.1f}"
        return f"{100 * self.part / self.whole:.1f} % ({ends}, {self.part}/{self.whole})"


@dataclass(frozen=True)
class Value:
    """A policy over the bank.

    `share` is its mean reduction over the oracle's. `harmed` counts problems made worse by more than the
    margin, of all; `false` recommended changes whose true effect is zero or less, of those recommended;
    `ahead` and `equivalent` the problems with a true effect above the margin that were settled so; `f1` is of
    "this auxiliary harms", true where leaving it out helps by more than the margin; nan where a policy never
    says. `cost` is the mean number of trainings.
    """

    share: float
    harmed: Rate
    false: Rate
    ahead: Rate
    equivalent: Rate
    f1: float
    cost: float


def value(truths: Sequence[Truth], decisions: Sequence[Decision]) -> Value:
    """The value of one decision a problem."""
    pairs = list(zip(truths, decisions, strict=True))
    gained = sum(true.effect(decision.choice, _second(true)) for true, decision in pairs)
    possible = sum(true.effect(oracle(true), _second(true)) for true, _ in pairs)
    effects = [true.effect(decision.choice) for true, decision in pairs]
    changed = [
        effect for effect, (_, decision) in zip(effects, pairs, strict=True) if decision.choice != AVERAGE
    ]
    real = [decision for true, decision in pairs if best_effect(true) > MARGIN]
    return Value(
        share=gained / possible if possible else float("nan"),
        harmed=Rate(sum(effect < -MARGIN for effect in effects), len(effects)),
        false=Rate(sum(effect <= 0.0 for effect in changed), len(changed)),
        ahead=Rate(sum(decision.claim == "ahead" for decision in real), len(real)),
        equivalent=Rate(sum(decision.claim == "equivalent" for decision in real), len(real)),
        f1=_f1(pairs),
        cost=float(np.mean([decision.cost for decision in decisions])),
    )


def oracle(true: Truth) -> str:
    """The best choice by the first half of the truth seeds."""
    names = [AVERAGE, *true.reductions]
    return max(names, key=lambda name: true.effect(name, _first(true)))


def best_effect(true: Truth) -> float:
    """The oracle's choice, valued on the second half."""
    return true.effect(oracle(true), _second(true))


def auroc(scores: Iterable[float], labels: Iterable[bool]) -> float:
    """The chance that a true case scores above a false one; nan without both."""
    values, yes = np.array(list(scores)), np.array(list(labels), dtype=bool)
    known = ~np.isnan(values)
    above, below = values[known & yes], values[known & ~yes]
    if not above.size or not below.size:
        return float("nan")
    return float(mannwhitneyu(above, below).statistic / (above.size * below.size))


def fitted(
    truths: Sequence[Truth], scores: Sequence[Mapping[str, float]], costs: Sequence[float]
) -> list[Decision]:
    """Decisions that take the highest score above a threshold, fitted on the other families alone.

    The threshold is the one that maximises the mean true effect on the families that are not scored. So is
    the one above which leaving an auxiliary out says that it harms.
    """
    tops = [max(own, key=lambda name, own=own: own[name]) for own in scores]
    heights = np.array([own[top] for own, top in zip(scores, tops, strict=True)])
    gains = np.array([true.effect(top) for true, top in zip(truths, tops, strict=True)])
    families = np.array([true.problem.family for true in truths])
    decisions = []
    for place, true in enumerate(truths):
        others = families != true.problem.family
        line = threshold(heights[others], gains[others])
        chosen = tops[place] if heights[place] > line else AVERAGE
        harmful = _called_harmful(place, truths, scores, others)
        decisions.append(Decision(chosen, harmful=harmful, cost=costs[place]))
    return decisions


def threshold(scores: np.ndarray, gains: np.ndarray) -> float:
    """The line above which acting gains most: halfway between neighbouring scores."""
    order = np.argsort(scores)[::-1]
    total = np.concatenate([[0.0], np.cumsum(gains[order])])
    best = int(np.argmax(total))
    ranked = np.concatenate([[np.inf], scores[order], [-np.inf]])
    if best == 0 or best == len(scores):
        return float(ranked[1] if best == 0 else -np.inf)
    return float((ranked[best] + ranked[best + 1]) / 2.0)


def harms(true: Truth) -> dict[str, bool]:
    """Which auxiliaries harm: leaving one out helps by more than the margin."""
    return {task: true.effect(f"{_DROP}{task}") > MARGIN for task in true.problem.tasks[1:]}


def _called_harmful(
    place: int, truths: Sequence[Truth], scores: Sequence[Mapping[str, float]], others: np.ndarray
) -> frozenset[str]:
    """The auxiliaries of a problem whose leaving out scores above the line of the other families."""
    dropped = [
        (own[name], true.effect(name))
        for true, own, used in zip(truths, scores, others, strict=True)
        for name in own
        if used and name.startswith(_DROP)
    ]
    if not dropped:
        return frozenset()
    line = threshold(*(np.array(column) for column in zip(*dropped, strict=True)))
    own = scores[place]
    return frozenset(name[len(_DROP) :] for name in own if name.startswith(_DROP) and own[name] > line)


def _f1(pairs: Sequence[tuple[Truth, Decision]]) -> float:
    if not any(decision.harmful for _, decision in pairs):
        return float("nan")
    called = [
        (task in decision.harmful, harm) for true, decision in pairs for task, harm in harms(true).items()
    ]
    hits = sum(one and other for one, other in called)
    return 2.0 * hits / max(sum(one for one, _ in called) + sum(other for _, other in called), 1)


def _first(true: Truth) -> slice:
    return slice(0, len(next(iter(true.reductions.values()))) // 2)


def _second(true: Truth) -> slice:
    return slice(len(next(iter(true.reductions.values()))) // 2, None)
