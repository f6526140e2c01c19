"""Effects against held-out losses of runs that were really made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradprobe.combiners import get
from gradprobe.errors import InputError
from gradprobe.geometry import (
    SecondMoments,
    Trials,
    combine,
    drop,
    effects,
    focal_alone,
    focal_share,
    harmful,
)
from gradprobe.geometry.effects import NO_PROGRESS
from gradprobe.geometry.intervals import NO_STEP

TASKS = ("focal", "helps", "harms")
EYE = np.eye(3)
WEIGHTS = {
    "drop harms": np.array([1.0, 1.0, 0.0]) / 3,
    "focal alone": np.array([1.0, 0.0, 0.0]) / 3,
    "focal share 0.6": np.array([1.0, 1 / 3, 1 / 3]) / 3,
}
ACTIONS = [drop(["harms"]), focal_alone(), focal_share(0.6)]


class Problem:
    """Three linear regressions on one weight vector, or on coordinates of their own, and held-out rows."""

    def __init__(self, seed: int = 0, *, disjoint: bool = False) -> None:
        rng = np.random.default_rng(seed)
        true = rng.normal(size=6)
        targets = [true, true + 0.1 * rng.normal(size=6), -true]
        masks = np.kron(EYE, np.ones(2)) if disjoint else np.ones((3, 6))
        self.inputs = [rng.normal(size=(12, 6)) * mask for mask in masks]
        self.labels = [x @ t for x, t in zip(self.inputs, targets, strict=True)]
        self.heldout = rng.normal(size=(40, 6)) * masks[0]
        self.judged = self.heldout @ true

    def gradients(self, w: np.ndarray) -> np.ndarray:
        return np.stack(
            [2 * x.T @ (x @ w - y) / len(y) for x, y in zip(self.inputs, self.labels, strict=True)]
        )

    def heldout_gradient(self, w: np.ndarray) -> np.ndarray:
        return 2 * self.heldout.T @ (self.heldout @ w - self.judged) / len(self.judged)

    def heldout_loss(self, w: np.ndarray) -> float:
        return float(np.mean((self.heldout @ w - self.judged) ** 2))


def trained(problem: Problem, weights: np.ndarray, *, optimizer, steps: int) -> list[np.ndarray]:
    """The weight vectors before each step and after the last, by torch's own optimiser."""
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = optimizer([w])
    path = [w.detach().numpy().copy()]
    for _ in range(steps):
        w.grad = torch.as_tensor(weights @ problem.gradients(path[-1]))
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return path


def trials_along(problem: Problem, path: list[np.ndarray], *, diagonals=None) -> Trials:
    diagonals = [np.ones(6)] * len(path) if diagonals is None else diagonals
    jacobians = np.stack([problem.gradients(w) for w in path])
    judged = [problem.heldout_gradient(w) * d for w, d in zip(path, diagonals, strict=True)]
    return Trials(
        TASKS,
        0,
        np.einsum("tin,tjn->tij", jacobians, jacobians),
        np.ones((len(path), 3), dtype=bool),
        np.einsum("tin,tn->ti", jacobians, np.stack(judged)),
        np.arange(len(path)),
        len(path),
    )


def test_the_effects_of_gradient_descent_are_the_changes_that_training_makes():
    problem, rate, steps = Problem(), 1e-5, 30
    descend = lambda parameters: torch.optim.SGD(parameters, lr=rate)  # noqa: E731
    path = trained(problem, np.ones(3) / 3, optimizer=descend, steps=steps)
    found = effects(trials_along(problem, path[:-1]), ACTIONS, rates=np.full(steps, rate))
    start, averaged = problem.heldout_loss(path[0]), problem.heldout_loss(path[-1])
    assert float(found.averaging) == pytest.approx(start - averaged, rel=1e-2)
    for place, (name, weights) in enumerate(WEIGHTS.items()):
        ended = problem.heldout_loss(trained(problem, weights, optimizer=descend, steps=steps)[-1])
        assert found.actions[place] == name
        assert found.changes.values[place] == pytest.approx(averaged - ended, rel=1e-2), name
    alone = problem.heldout_loss(trained(problem, EYE[0] / 3, optimizer=descend, steps=steps)[-1])
    assert float(found.own) == pytest.approx(start - alone, rel=1e-2)
    assert harmful(found) == ("harms",)


def test_under_adam_own_moments_foretell_what_averagings_moments_miss():
    problem, rate, steps = Problem(1), 1e-6, 40
    adam = lambda parameters: torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.9))  # noqa: E731
    path = trained(problem, np.ones(3) / 3, optimizer=adam, steps=steps)
    candidates = np.stack([np.ones(3) / 3, *WEIGHTS.values()])
    moments = SecondMoments.start(4, 6, beta=0.9)
    products, diagonals = [], []
    for w in path[:-1]:
        gradients = problem.gradients(w)
        moments = moments.after(gradients, candidates)
        products.append(moments.products(gradients, problem.heldout_gradient(w)))
        diagonals.append(1 / (np.sqrt(moments.values[0] / (1 - 0.9**moments.updates)) + 1e-8))
    trials = trials_along(problem, path[:-1], diagonals=diagonals)
    rates = np.full(steps, rate)
    own = effects(trials, ACTIONS, rates=rates, own_moments=np.stack(products)).changes.values
    shared = effects(trials, ACTIONS, rates=rates).changes.values
    averaged = problem.heldout_loss(path[-1])
    for place, (name, weights) in enumerate(WEIGHTS.items()):
        true = averaged - problem.heldout_loss(trained(problem, weights, optimizer=adam, steps=steps)[-1])
        assert own[place] == pytest.approx(true, rel=1e-2), name
        assert abs(shared[place] - true) > 10 * abs(own[place] - true), name


@pytest.mark.parametrize("own", [False, True])
def test_on_disjoint_parameters_the_effect_of_every_action_is_exactly_zero(own):
    problem = Problem(2, disjoint=True)
    path = [np.full(6, 0.01 * step) for step in range(8)]
    combiners = [get(name) for name in ("pcgrad", "mgda", "cagrad", "rcgrad")]
    surgery = [
        combine(c.name, lambda g, present, focal, c=c: c.weights(g, focal=focal, present=present))
        for c in combiners
    ]
    actions = [drop(["helps"]), drop(["harms", "helps"]), focal_share(0.2), focal_alone(), *surgery]
    trials = trials_along(problem, path)
    products = None
    if own:
        factors = [np.ones((8, 3)), *(action.factors(trials) for action in actions)]
        moments, found = SecondMoments.start(len(factors), 6), []
        for step, w in enumerate(path):
            gradients = problem.gradients(w)
            moments = moments.after(gradients, np.stack([f[step] for f in factors]) / 3)
            found.append(moments.products(gradients, problem.heldout_gradient(w)))
        products = np.stack(found)
    found = effects(trials, actions, own_moments=products)
    assert (np.diagonal(trials.gramians, axis1=1, axis2=2) > 0).all()
    assert (found.changes.values == 0.0).all()
    assert (found.relative.values == 0.0).all()
    assert (found.relative.high == 0.0).all()
    # Equal step length, the way it was done, sees a gain where there is none.
    lengths = np.sqrt(np.einsum("tii->t", trials.gramians))
    assert np.all(trials.effects[:, 0] / np.sqrt(trials.gramians[:, 0, 0]) > trials.effects[:, 0] / lengths)


def test_relative_effects_do_not_depend_on_the_scale_of_the_focal_loss_or_of_the_rates():
    problem = Problem(3)
    path = trained(problem, np.ones(3) / 3, optimizer=lambda p: torch.optim.SGD(p, lr=1e-2), steps=30)
    trials = trials_along(problem, path)
    scaled = Trials(
        TASKS, 0, trials.gramians, trials.present, 7.0 * trials.effects, trials.step_of, trials.steps
    )
    one, other = effects(trials, ACTIONS), effects(scaled, ACTIONS, rates=np.full(31, 1e-3), every=5)
    for name in ("values", "low", "high"):
        assert getattr(other.relative, name) == pytest.approx(getattr(one.relative, name), rel=1e-9)
    assert other.changes.values == pytest.approx(7.0 * 1e-3 * 5 * one.changes.values)
    assert (one.steps, other.steps) == (31, 155)


def test_effects_are_the_sums_that_a_loop_over_steps_and_tasks_gives():
    rng = np.random.default_rng(4)
    steps, tasks = 24, 4
    present = rng.random((steps, tasks)) < 0.8
    present[:, 0] |= rng.random(steps) < 0.7
    present[~present.any(axis=1), 1] = True
    products = np.where(present, rng.normal(size=(steps, tasks)) + 0.5, 0.0)
    rates, inside = rng.uniform(0.5, 1.0, size=steps), rng.random(steps) < 0.7
    names = ("f", "a", "b", "c")
    gramians = np.broadcast_to(np.eye(tasks), (steps, tasks, tasks))
    trials = Trials(names, 0, gramians, present, products, np.arange(steps), steps)
    found = effects(trials, [drop(["a", "c"]), focal_share(0.7)], rates=rates, steps=inside)
    dropped = shared = own = 0.0
    for step in np.flatnonzero(inside):
        there = [task for task in range(tasks) if present[step, task]]
        own += rates[step] * products[step, 0] / len(there) if 0 in there else 0.0
        for task in there:
            part = rates[step] * products[step, task] / len(there)
            dropped -= part if names[task] in "ac" else 0.0
            if task and 0 in there:
                shared += part * (0.3 / (len(there) - 1) / 0.7 - 1.0)
    assert found.changes.values == pytest.approx([dropped, shared])
    assert found.relative.values == pytest.approx([dropped / own, shared / own])
    assert float(found.own) == pytest.approx(own)
    # Dropping two is the sum of dropping each.
    each = effects(trials, [drop(["a"]), drop(["c"])], rates=rates, steps=inside)
    assert each.changes.values.sum() == pytest.approx(dropped)
    assert each.relative.values == pytest.approx(-found.tasks_relative.values[[1, 3]])


def test_a_combiner_without_weight_for_the_focal_task_is_undefined_and_counted():
    trials = trials_along(Problem(), [np.zeros(6)] * 6)
    found = effects(trials, [combine("none", lambda g, present, focal: np.array([0.0, 1.0, 1.0]))])
    assert found.undefined.tolist() == [6]
    assert np.isnan(found.changes.values[0])
    assert np.isnan(found.relative.values[0])


def test_where_the_focal_task_makes_no_progress_nothing_is_relative_to_it():
    trials = trials_along(Problem(), [np.zeros(6)] * 6)
    turned = Trials(TASKS, 0, trials.gramians, trials.present, -trials.effects, trials.step_of, 6)
    found = effects(turned, ACTIONS)
    assert np.isnan(found.relative.values).all()
    assert found.relative.reasons[0,] == NO_PROGRESS
    assert not np.isnan(found.changes.values).any()


def test_a_window_without_a_measured_step_has_no_effects():
    trials = trials_along(Problem(), [np.zeros(6)] * 6)
    found = effects(trials, ACTIONS, steps=np.zeros(6, dtype=bool))
    assert np.isnan(found.changes.values).all()
    assert np.isnan(found.relative.values).all()
    assert found.relative.reasons[0,] == NO_STEP
    assert found.steps == 0


def test_intervals_of_effects_hold_the_sum_of_the_expected_products():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        products = np.array([1.0, 0.3, -0.2]) + rng.normal(size=(60, 3))
        present = np.ones((60, 3), dtype=bool)
        trials = Trials(TASKS, 0, np.broadcast_to(EYE, (60, 3, 3)), present, products, np.arange(60), 60)
        found = effects(trials, [drop(["harms"])])
        held += bool(found.relative.low[0] <= 0.2 <= found.relative.high[0])
    assert 0.90 <= held / 200 <= 0.99


def test_what_cannot_be_used_is_named():
    trials = trials_along(Problem(), [np.zeros(6)] * 6)
    for message, call in {
        "actions": lambda: effects(trials, []),
        "rates": lambda: effects(trials, ACTIONS, rates=np.ones(5)),
        "steps": lambda: effects(trials, ACTIONS, steps=np.ones(7, dtype=bool)),
        "own_moments": lambda: effects(trials, ACTIONS, own_moments=np.ones((6, 3, 3))),
        "tasks": lambda: effects(trials, [drop(["focal"])]),
        "share": lambda: focal_share(0.0),
        "moments": lambda: SecondMoments.start(1, 6).products(np.ones((3, 6)), np.ones(6)),
        "beta": lambda: SecondMoments.start(1, 6, beta=1.0),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
