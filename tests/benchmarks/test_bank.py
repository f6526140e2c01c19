"""The bank of synthetic problems: its gradients, its training, and what decisions on it are worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bank.desk import TRUTH_SEEDS, Decision, Desk, Truth
from bank.families import EACH, FAMILIES, problem, problems
from bank.network import Adam, Network
from bank.predictors import EffectScores, conflict_rate
from bank.problem import AVERAGE
from bank.training import probed, train
from bank.valuing import MARGIN, Rate, auroc, best_effect, fitted, oracle, threshold, value

STEPS = 60


def test_the_bank_has_over_200_problems_of_eight_families_or_more_and_a_third_have_no_effect():
    bank = problems()
    assert len(bank) >= 200
    assert len(FAMILIES) >= 8
    assert sum(one.null for one in bank) * 3 == len(bank)
    assert len({one.name for one in bank}) == len(bank)
    assert EACH * len(FAMILIES) == len(bank)


@pytest.mark.parametrize("apart", [False, True])
def test_gradients_by_hand_are_torchs(apart):
    rng = np.random.default_rng(0)
    network = Network.start(np.array([1, 2]), inputs=5, hidden=6, tasks=3, apart=apart)
    inputs, labels = rng.normal(size=(2, 3, 7, 5)), rng.normal(size=(2, 3, 7))
    trunk, heads = network.gradients(inputs, labels)
    for seed in range(2):
        weights = torch.tensor(network.trunk[seed], requires_grad=True)
        outer = torch.tensor(network.heads[seed], requires_grad=True)
        total = torch.zeros((), dtype=torch.float64)
        for task in range(3):
            hidden = torch.tanh(torch.tensor(inputs[seed, task]) @ weights[:-1] + weights[-1])
            out = hidden @ (outer[:-1, task] * torch.tensor(network.mask[:, task])) + outer[-1, task]
            loss = ((out - torch.tensor(labels[seed, task])) ** 2).mean()
            (own,) = torch.autograd.grad(loss, weights, retain_graph=True)
            np.testing.assert_allclose(trunk[seed, task], own.numpy(), atol=1e-12)
            np.testing.assert_allclose(
                network.predict(inputs[:, task], task)[seed], out.detach().numpy(), atol=1e-12
            )
            total = total + loss
        (both,) = torch.autograd.grad(total, outer)
        np.testing.assert_allclose(heads[seed], both.numpy(), atol=1e-12)


def test_adam_is_torchs():
    rng = np.random.default_rng(1)
    mine = [rng.normal(size=(4, 3))]
    theirs = torch.tensor(mine[0].copy(), requires_grad=True)
    adam, reference = Adam.of(mine, 1e-2), torch.optim.Adam([theirs], lr=1e-2)
    for _ in range(20):
        gradient = rng.normal(size=(4, 3))
        adam.step(mine, [gradient])
        theirs.grad = torch.tensor(gradient)
        reference.step()
    np.testing.assert_allclose(mine[0], theirs.detach().numpy(), rtol=1e-5)


def test_where_the_focal_task_is_apart_no_weight_changes_it_and_elsewhere_weights_do():
    apart, shared = problem("crowded", 0), problem("crowded", 2)
    assert (apart.null, shared.null) == (True, False)
    assert not apart.recipe.own_order
    for one in (apart, shared):
        base = train(one, one.choices[0], np.arange(2), steps=STEPS)
        for choice in [choice for choice in one.choices[1:] if choice.factors][:4]:
            other = train(one, choice, np.arange(2), steps=STEPS)
            same = np.allclose(other.risk, base.risk, rtol=1e-4)
            assert same == one.null, choice.name


def test_where_every_action_draws_its_own_batches_trainings_differ_though_nothing_has_an_effect():
    one = problem("noisy", 3)
    assert one.null
    assert one.recipe.own_order
    base = train(one, one.choices[0], np.arange(2), steps=STEPS)
    alone = train(one, one.choices[3], np.arange(2), steps=STEPS)
    assert not np.allclose(base.risk, alone.risk, rtol=1e-3)


def test_seeds_are_trained_together_as_they_are_one_by_one():
    one = problem("mixed", 1)
    for choice in (one.choices[3], one.choices[-1]):
        both = train(one, choice, np.array([3, 4]), steps=STEPS)
        single = train(one, choice, np.array([4]), steps=STEPS)
        assert both.risk[1] == pytest.approx(single.risk[0], rel=1e-6)
        assert both.judged[1] == pytest.approx(single.judged[0], rel=1e-6)


def test_a_probed_run_ends_where_an_unprobed_one_does_and_its_trace_holds_both_geometries():
    one = problem("loud", 1)
    run = probed(one, 5, steps=STEPS)
    assert run.result.risk == pytest.approx(train(one, one.choices[0], np.array([5]), steps=STEPS).risk)
    steps = [record.step for record in run.trace.gramians]
    assert steps == [record.step for record in run.trace.preconditioned] == list(range(5, STEPS, 5))
    assert run.own_moments.shape == (len(steps), len(run.candidates) + 1, len(one.tasks))
    assert 0.0 <= conflict_rate([run]) <= 1.0


def test_effects_rank_leaving_out_what_harms_above_leaving_out_what_helps():
    desk = Desk(problem("mixed", 2))
    scores = EffectScores(seeds=(0,)).scores(desk)
    assert scores["drop aux2"] > scores["drop aux1"]
    assert scores["drop aux1"] < 0.0
    assert desk.cost == pytest.approx(1.1)
    assert set(scores) == {choice.name for choice in desk.problem.choices[1:]}


def test_policies_cannot_train_with_the_truths_seeds():
    with pytest.raises(ValueError, match="seeds"):
        Desk(problem("mixed", 2)).judged(problem("mixed", 2).choices[0], [TRUTH_SEEDS])


def truths():
    """Four problems with made-up effects: one helps, one harms, one helps a little, one has none."""
    made = [("helpful", 1, 0.4), ("crowded", 1, -0.3), ("noisy", 1, 0.04), ("mixed", 0, 0.9)]
    return [
        Truth(problem(family, number), {"focal alone": np.full(8, effect), "drop aux1": np.full(8, -0.1)})
        for family, number, effect in made
    ]


def test_always_the_same_choice_is_worth_what_its_effects_add_up_to():
    found = value(truths(), [Decision("focal alone", "ahead", cost=2.0)] * 4)
    assert found.share == pytest.approx((0.4 - 0.3 + 0.04) / 0.44)
    assert (found.harmed, found.false) == (Rate(1, 4), Rate(2, 4)), "a change without effect is false too"
    assert (found.ahead, found.equivalent) == (Rate(1, 1), Rate(0, 1))
    assert found.cost == 2.0


def test_the_oracle_reaches_all_of_its_own_reduction_and_averaging_none():
    best = value(truths(), [Decision(oracle(true)) for true in truths()])
    assert best.share == pytest.approx(1.0)
    assert best.harmed.part == best.false.part == 0
    assert value(truths(), [Decision(AVERAGE)] * 4).share == 0.0
    assert [best_effect(true) > MARGIN for true in truths()] == [True, False, False, False]


def test_the_oracle_is_valued_on_seeds_it_did_not_choose_by():
    lucky = Truth(problem("helpful", 1), {"focal alone": np.array([0.5, 0.5, -0.5, -0.5])})
    assert oracle(lucky) == "focal alone"
    assert best_effect(lucky) == -0.5


def test_rates_carry_exact_intervals():
    low, high = Rate(0, 20).interval
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    assert auroc([3.0, 1.0, 2.0, np.nan], [True, False, True, True]) == 1.0
    assert auroc([1.0, 1.0], [True, False]) == 0.5
    assert np.isnan(auroc([1.0], [True]))


def test_a_threshold_acts_where_acting_gains_most():
    rng = np.random.default_rng(2)
    for _ in range(20):
        scores, gains = rng.normal(size=12), rng.normal(size=12)
        lines = [-np.inf, *((np.sort(scores)[1:] + np.sort(scores)[:-1]) / 2), np.inf]
        wanted = max(gains[scores > line].sum() for line in lines)
        assert gains[scores > threshold(scores, gains)].sum() == pytest.approx(wanted)


def test_thresholds_are_fitted_on_other_families_alone():
    """A family that breaks the rule cannot move its own threshold."""
    made = [Truth(problem(family, 1), {"focal alone": np.full(4, effect)})
            for family, effect in (("helpful", 0.5), ("noisy", 0.5), ("crowded", -1.0))]  # fmt: skip
    scores = [{"focal alone": score} for score in (1.0, 0.9, 0.95)]
    decisions = fitted(made, scores, [2.2] * 3)
    assert decisions[2].choice == "focal alone", "the others say that such a score helps"
    assert {decision.cost for decision in decisions} == {2.2}


def test_f1_counts_auxiliaries_called_harmful_against_those_that_are():
    made = [Truth(problem(family, 1), {"drop aux1": np.full(4, 0.3), "drop aux2": np.full(4, -0.3)})
            for family in ("helpful", "noisy", "mixed")]  # fmt: skip
    scores = [{"drop aux1": 1.0, "drop aux2": -1.0} for _ in made]
    decisions = fitted(made, scores, [1.0] * 3)
    assert {decision.harmful for decision in decisions} == {frozenset({"aux1"})}
    assert value(made, decisions).f1 == 1.0
    wrong = [Decision("drop aux2", harmful=frozenset({"aux1", "aux2", "aux3"}))] * 3
    assert value(made, wrong).f1 == pytest.approx(2 * 3 / (9 + 3))
