"""What policies are worth on a bank of problems whose best action is known.

    python benchmarks/decisions.py [--quick] [--each 24] [--seeds 12] [--no-combiners] [--json FILE]

Nine families of synthetic multi-task problems (`bank/families.py`), a third of them without any true effect;
truth from fresh seeds. Rules and values are in `bank/valuing.py`. Thresholds are fitted on the families that
are not scored. `--quick` takes three problems a family and four seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from bank.desk import Decision, Desk, Policy, Truth, truth
from bank.families import FAMILIES, problem
from bank.policies import Always, BestOfSeeds, ConflictRate
from bank.predictors import EffectScores
from bank.problem import AVERAGE
from bank.valuing import MARGIN, Value, auroc, best_effect, fitted, oracle, value

from gradprobe.geometry import Span

SURGERY = ("pcgrad", "rcgrad")


def main() -> None:
    """Find the truth, ask the policies, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--each", type=int, default=24, help="problems of each family")
    parser.add_argument("--seeds", type=int, default=12, help="truth seeds")
    parser.add_argument("--no-combiners", action="store_true", help="leave the costly truth of surgery out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    each, seeds = (3, 4) if options.quick else (options.each, options.seeds)
    started = time.process_time()
    bank = [problem(family, number) for family in FAMILIES for number in range(each)]
    truths = [truth(one, seeds, combiners=not options.no_combiners) for one in bank]
    nulls = sum(one.null for one in bank)
    real = sum(best_effect(true) > MARGIN for true in truths)
    print(
        f"{len(bank)} problems, {nulls} without effect, {real} with one above {MARGIN:g}; {seeds} truth seeds"
    )
    print(f"truth: {time.process_time() - started:.0f} s of processor time")
    desks = [Desk(one) for one in bank]
    questions = list(show_questions(truths, desks))
    values = {name: dataclasses.asdict(found) for name, found in show_values(truths)}
    print(f"all: {time.process_time() - started:.0f} s of processor time")
    if options.json:
        content = {"seeds": seeds, "questions": questions, "values": values}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def show_questions(truths: Sequence[Truth], desks: Sequence[Desk]) -> Iterator[dict[str, object]]:
    """AUROC of each predictor for: focal alone, leaving an auxiliary out, and surgery, better than averaging.

    True where the effect is above the margin, false where it is below zero or there is none; small effects
    between are no clear case.
    """
    print(f"\n{'predictor':40s} {'focal alone':>12s} {'drop one':>12s} {'surgery':>12s}")
    for span, moments in product(Span, ("plain", "averaging", "own")):
        predictor = EffectScores(span, moments)
        scores = [predictor.scores(desk) for desk in desks]
        found = {
            "focal alone": _auroc(truths, scores, "focal alone"),
            "drop one": _auroc(truths, scores, "drop "),
            "surgery": _auroc(truths, scores, SURGERY),
        }
        print(f"{predictor.name:40s} " + " ".join(f"{found[key]:12.2f}" for key in found), flush=True)
        yield {"predictor": predictor.name, **found}


def show_values(truths: Sequence[Truth]) -> Iterator[tuple[str, Value]]:
    """The value of each policy."""
    print(f"\n{'policy':40s} share  cost  F1    harmed / false / ahead / equivalent")
    policies: list[Policy] = [
        Always(AVERAGE),
        Always("focal share 0.5"),
        Always("focal alone"),
        ConflictRate(),
    ]
    policies.append(BestOfSeeds())
    for policy in policies:
        yield _show(policy.name, value(truths, [decided(policy, true) for true in truths]))
    for predictor in (EffectScores(Span.EARLY), EffectScores(Span.LATE), EffectScores(Span.LATE, "own")):
        desks = [Desk(true.problem) for true in truths]
        scores = [predictor.scores(desk) for desk in desks]
        costs = [desk.cost for desk in desks]
        for label, kept in (("", None), (", focal alone or all", "focal alone")):
            own = [
                {k: v for k, v in each.items() if kept in (None, k) and k not in SURGERY} for each in scores
            ]
            yield _show(f"{predictor.name}{label}", value(truths, fitted(truths, own, costs)))
    choices = [Decision(oracle(true), "ahead") for true in truths]
    yield _show("oracle", value(truths, choices))


def decided(policy: Policy, true: Truth) -> Decision:
    """A policy's decision on a problem, with what its trainings cost."""
    desk = Desk(true.problem)
    decision = policy.decide(desk)
    return dataclasses.replace(decision, cost=decision.cost + desk.cost)


def _auroc(
    truths: Sequence[Truth], scores: Sequence[Mapping[str, float]], start: str | tuple[str, ...]
) -> float:
    """The AUROC over all choices whose names start so."""
    cases = [
        (own[name], true.effect(name))
        for true, own in zip(truths, scores, strict=True)
        for name in true.reductions
        if name.startswith(start) and name in own
    ]
    clear = [(score, effect > MARGIN) for score, effect in cases if effect > MARGIN or effect <= 0.0]
    return auroc([score for score, _ in clear], [label for _, label in clear])


def _show(name: str, found: Value) -> tuple[str, Value]:
    rates = f"{found.harmed} / {found.false} / {found.ahead} / {found.equivalent}"
    print(f"{name:40s} {found.share:5.2f} {found.cost:5.1f} {found.f1:5.2f}  {rates}", flush=True)
    return name, found


if __name__ == "__main__":
    main()
