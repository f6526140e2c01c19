"""The command that values policies, on two problems with made-up truth."""

from __future__ import annotations

import decisions
import numpy as np
from bank.desk import Desk, Truth
from bank.families import problem
from bank.policies import Always, BestOfSeeds, ConflictRate


def truths() -> list[Truth]:
    """One problem in which leaving the first auxiliary out harms, one without effects."""
    made = []
    for family, number, effect in (("mixed", 2, 0.5), ("helpful", 0, 0.0)):
        own = problem(family, number)
        reductions = {choice.name: np.full(4, effect) for choice in own.choices[1:] if choice.factors}
        made.append(Truth(own, reductions | {"drop aux1": np.full(4, -effect)}))
    return made


def test_every_predictor_is_asked_all_three_questions(capsys):
    made = truths()
    rows = list(decisions.show_questions(made, [Desk(true.problem) for true in made]))
    assert len(rows) == 9
    assert {key for row in rows for key in row} == {"predictor", "focal alone", "drop one", "surgery"}
    known = [row["drop one"] for row in rows]
    assert all(0.0 <= float(value) <= 1.0 for value in known)
    assert capsys.readouterr().out.count("\n") == 11


def test_policies_are_charged_for_what_they_train():
    made = truths()[0]
    found = {
        policy.name: decisions.decided(policy, made) for policy in (Always("focal alone"), ConflictRate())
    }
    assert {name: decision.cost for name, decision in found.items()} == {
        "always focal alone": 1.0, "conflict rate > 30 %": 2.2,
    }  # fmt: skip
    best = decisions.decided(BestOfSeeds(1), made)
    assert best.cost == len(made.problem.choices)
    assert best.choice in {choice.name for choice in made.problem.choices}
