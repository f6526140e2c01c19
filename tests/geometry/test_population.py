"""Intervals for new molecules: windows drawn again and again from tables that are drawn themselves."""

from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import Estimand, Trials, corrected_cosines, drop, effects, signal
from gradprobe.geometry.intervals import Means, window_means
from gradprobe.geometry.population import Influences, over_molecules, passes
from tests.geometry._populations import products_of

MEANS = np.stack([np.eye(8)[0], 0.5 * np.eye(8)[0] + np.eye(8)[1], np.eye(8)[2]])
PAIRS = (np.array([0, 0]), np.array([1, 2]))


def cycled(rng, *, molecules=48, batch=12, steps=60, twins=False):
    """A table of molecules with all three labels, gone round in epochs: folds, and influences of rows."""
    rows = MEANS + rng.normal(size=(molecules, 1, 8)) + 0.5 * rng.normal(size=(molecules, 3, 8))
    names = np.arange(molecules)
    if twins:
        half = molecules // 2
        rows[half:], names[half:] = rows[:half], names[:half]
    order = np.concatenate([rng.permutation(molecules) for _ in range(steps * batch // molecules + 1)])
    batches = order[: steps * batch].reshape(steps, 2, batch // 2)
    gradients = rows[batches].mean(axis=2)
    folds = products_of(gradients, np.full((steps, 2, 3), batch / 2))
    step_of, molecule, changes = [], [], []
    first, second = PAIRS
    for step in range(steps):
        for fold in range(2):
            for row in batches[step, fold]:
                without = (gradients[step, fold] - rows[row]) / (batch / 2 - 1)
                moved = without @ gradients[step, 1 - fold].T
                pairs = [(first, second), (first, first), (second, second)]
                changes.append(np.stack([moved[i, j] + moved[j, i] for i, j in pairs], axis=-1))
                step_of.append(step)
                molecule.append(names[row])
    return folds, Influences(np.array(step_of), np.array(molecule), np.array(changes)), len(set(names))


def test_a_rows_influence_is_what_leaving_it_out_changes():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(5, 3, 8))
    other = rng.normal(size=(3, 8))
    whole = gradients.mean(axis=0) @ other.T
    without = np.delete(gradients, 2, axis=0).mean(axis=0) @ other.T
    assert without - whole == pytest.approx((gradients.mean(axis=0) - gradients[2]) @ other.T / 4)


def test_errors_over_molecules_add_the_covariance_of_steps_that_share_one():
    rng = np.random.default_rng(1)
    steps, rows = 30, 90
    influences = Influences(
        rng.integers(0, steps, rows), rng.integers(0, 7, rows), 0.3 + rng.normal(size=(rows, 2))
    )
    # Neighbours are alike, so blocks vary more than single steps.
    sums, counts = rng.normal(size=(steps // 2, 2)).repeat(2, axis=0), np.full((steps, 2), 2.0)
    means = window_means(sums, counts)
    found = over_molecules(means, sums, counts, influences)
    shared = np.zeros((2, 2))
    for one in range(rows):
        for other in range(rows):
            same = influences.molecule[one] == influences.molecule[other]
            if same and influences.step_of[one] != influences.step_of[other]:
                shared += np.outer(influences.changes[one], influences.changes[other])
    values, vectors = np.linalg.eigh(shared / (2.0 * steps) ** 2)
    wanted = means.covariance + (vectors * np.maximum(values, 0.0)) @ vectors.T
    assert found.covariance == pytest.approx(wanted)
    assert int(found.blocks) == min(int(means.blocks), 7)


def test_molecules_seen_once_leave_the_errors_over_steps():
    rng = np.random.default_rng(2)
    sums, counts = rng.normal(size=(20, 1)), np.ones((20, 1))  # a block a step
    means = window_means(sums, counts)
    once = Influences(np.arange(20), np.arange(20), rng.normal(size=(20, 1)))
    assert over_molecules(means, sums, counts, once).covariance == pytest.approx(means.covariance)


def coverage(seed, *, draws=60, twins=False):
    """How often intervals of the product of tasks 0 and 1 hold that of the population, by method."""
    rng = np.random.default_rng(seed)
    held = dict.fromkeys(("steps", "one pass", "molecules"), 0)
    truth = float(MEANS[0] @ MEANS[1])
    for _ in range(draws):
        folds, influences, distinct = cycled(rng, twins=twins)
        known = dict.fromkeys(folds.tasks, distinct)
        ways = {"steps": {}, "one pass": {"distinct": known}, "molecules": {"influences": influences}}
        for name, options in ways.items():
            found = corrected_cosines(folds, focal="a", **options).products
            held[name] += bool(found.low[0] <= truth <= found.high[0])
    return {name: count / draws for name, count in held.items()}


@pytest.mark.parametrize("twins", [False, True])
def test_intervals_for_new_molecules_cover_where_those_over_steps_do_not(twins):
    found = coverage(3, twins=twins)
    assert found["steps"] < 0.75
    assert found["one pass"] >= 0.93
    assert 0.90 <= found["molecules"] <= 1.0


def test_the_estimand_is_named():
    folds, influences, distinct = cycled(np.random.default_rng(4), steps=20)
    known = dict.fromkeys(folds.tasks, distinct)
    assert corrected_cosines(folds).estimand is Estimand.THESE
    assert corrected_cosines(folds, distinct=known).estimand is Estimand.NEW
    assert corrected_cosines(folds, focal="a", influences=influences).estimand is Estimand.NEW


def test_one_pass_has_the_errors_of_a_run_as_long_as_one_pass():
    folds, _, distinct = cycled(np.random.default_rng(5))
    known = dict.fromkeys(folds.tasks, distinct)
    rounds = 60 * 12 / distinct
    plain, wide = corrected_cosines(folds).products, corrected_cosines(folds, distinct=known).products
    sums, counts = folds.across
    residuals = sums[:, 0, 1] - sums[:, 0, 1].sum() / counts[:, 0, 1].sum() * counts[:, 0, 1]
    single = np.sqrt(60 / 59 * (residuals**2).sum()) / counts[:, 0, 1].sum()
    wanted = np.sqrt(rounds) * max(float(plain.standard_error[0]), single)
    assert float(wide.standard_error[0]) == pytest.approx(wanted)
    shares = [signal(folds).share, signal(folds, distinct=known).share]
    assert (shares[1].high - shares[1].low > shares[0].high - shares[0].low).all()


def test_less_than_one_pass_changes_nothing():
    assert passes(np.full((5, 2), 4.0), np.array([100.0, 10.0])).tolist() == [1.0, 2.0]


def test_effects_cover_what_new_molecules_would_show():
    """Held-out rows are drawn anew; an auxiliary's rows come from a table of 30, gone round 12 times."""
    rng = np.random.default_rng(6)
    tasks, held = ("f", "a"), {"steps": 0, "rounds": 0, "influences": 0}
    for _ in range(60):
        table = 0.3 + rng.normal(size=30)
        order = np.concatenate([rng.permutation(30) for _ in range(12)]).reshape(60, 6)
        products = np.stack([2.0 + 0.1 * rng.normal(size=60), table[order].mean(axis=1)], axis=1)
        trials = Trials(
            tasks, 0, np.broadcast_to(np.eye(2), (60, 2, 2)), np.ones((60, 2), dtype=bool), products,
            np.arange(60), 60,
        )  # fmt: skip
        without = (products[:, [1]] - table[order]) / 5
        changes = np.stack([np.zeros_like(without), without], axis=-1).reshape(-1, 2)
        influences = Influences(np.repeat(np.arange(60), 6), order.reshape(-1), changes)
        for name, options in {
            "steps": {}, "rounds": {"rounds": 12.0}, "influences": {"influences": influences},
        }.items():  # fmt: skip
            found = effects(trials, [drop(["a"])], **options)
            held[name] += bool(found.relative.low[0] <= -0.15 <= found.relative.high[0])
    assert held["steps"] / 60 < 0.6
    assert held["rounds"] / 60 >= 0.88
    assert held["influences"] / 60 >= 0.88


def test_what_cannot_be_used_is_named():
    folds, influences, _ = cycled(np.random.default_rng(7), steps=10)
    with pytest.raises(InputError, match="distinct: expected the molecules of every task"):
        corrected_cosines(folds, distinct={"a": 5})
    with pytest.raises(InputError, match="at least one molecule"):
        signal(folds, distinct={"a": 5, "b": 0, "c": 1})
    with pytest.raises(InputError, match="step_of, molecule"):
        Influences(influences.step_of[:3], influences.molecule, influences.changes)
    trials = Trials(
        ("f", "a"), 0, np.broadcast_to(np.eye(2), (4, 2, 2)), np.ones((4, 2), dtype=bool), np.ones((4, 2)),
        np.array([0, 0, 1, 1]), 2,
    )  # fmt: skip
    with pytest.raises(InputError, match="one trial a step"):
        effects(trials, [drop(["a"])], influences=influences)


def test_undefined_means_stay_undefined():
    means = Means(np.full(1, np.nan), np.full((1, 1), np.nan), np.array(0), np.array(False))
    none = Influences(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros((0, 1)))
    zeros = np.zeros((5, 1))
    assert np.isnan(over_molecules(means, zeros, zeros, none).covariance).all()
