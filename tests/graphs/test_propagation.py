from __future__ import annotations

import pickle
import warnings

import networkx as nx
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from gradprobe.errors import InputError
from gradprobe.graphs.propagation import ResidualPropagation

KARATE = nx.karate_club_graph()
ADJACENCY = np.array(nx.to_numpy_array(KARATE, weight=None))
CLUBS = np.array([0 if KARATE.nodes[node]["club"] == "Mr. Hi" else 1 for node in KARATE])
TRAIN = np.array([0, 1, 2, 8, 23, 32, 33])
REST = np.setdiff1d(np.arange(34), TRAIN)
FEATURES = np.random.default_rng(0).normal(size=(34, 5)) + 0.4 * CLUBS[:, None]


def _labels() -> np.ndarray:
    return np.where(np.isin(np.arange(34), TRAIN), CLUBS, -1)


def _normalised() -> np.ndarray:
    links = ADJACENCY + np.eye(34)
    return links / np.sqrt(np.outer(links.sum(1), links.sum(1)))


def _matrix(power: int, kernel: np.ndarray | None = None) -> np.ndarray:
    if kernel is None:
        return np.linalg.matrix_power(_normalised(), power)
    half = np.linalg.matrix_power(_normalised(), power // 2)
    return half @ kernel @ half


def _rbf(gamma: float) -> np.ndarray:
    kernel = np.array([[np.exp(-gamma * sum((a - b) ** 2)) for b in FEATURES] for a in FEATURES])
    scale = np.array([1.0 / np.sqrt(sum(row)) for row in kernel])
    return np.array([[kernel[i, j] * scale[i] * scale[j] for j in range(34)] for i in range(34)])


def _loop(matrix: np.ndarray, *, step_size: float, steps: int) -> np.ndarray:
    """Predictions [n, 2] by the recursion."""
    start = np.zeros((34, 2))
    for node in TRAIN:
        start[node, CLUBS[node]] = 1.0
    residual = start.copy()
    for _ in range(steps):
        masked = np.zeros_like(residual)
        masked[TRAIN] = residual[TRAIN]
        residual = residual - step_size * matrix @ masked
    return start - residual


@pytest.mark.parametrize(("power", "step_size", "steps"), [(2, 1.0, 1), (4, 0.7, 5), (6, 1.9, 40)])
def test_it_follows_the_recursion(power, step_size, steps):
    model = ResidualPropagation(power=power, step_size=step_size, iterations=steps).fit(ADJACENCY, _labels())
    expected = _loop(_matrix(power), step_size=step_size, steps=steps)
    np.testing.assert_allclose(model.decision_, expected, atol=1e-12)
    np.testing.assert_array_equal(model.transduction_, expected.argmax(axis=1))


@pytest.mark.parametrize("steps", [1, 3, 20])
def test_on_training_nodes_the_residual_has_a_closed_form(steps):
    """R_t = (1 - eta M_xx)^t Y."""
    model = ResidualPropagation(power=4, step_size=0.9, iterations=steps).fit(ADJACENCY, _labels())
    targets = np.eye(2)[CLUBS[TRAIN]]
    inner = _matrix(4)[np.ix_(TRAIN, TRAIN)]
    residual = np.linalg.matrix_power(np.eye(len(TRAIN)) - 0.9 * inner, steps) @ targets
    np.testing.assert_allclose(targets - model.decision_function(TRAIN), residual, atol=1e-12)
    assert model.residuals_[-1] == pytest.approx(np.linalg.norm(residual), rel=1e-9)
    assert len(model.residuals_) == steps + 1


def test_in_the_limit_it_solves_for_the_training_labels():
    """M_ux M_xx^-1 Y, where M_xx is positive definite."""
    model = ResidualPropagation(power=2, step_size=1.5, iterations=20_000).fit(ADJACENCY, _labels())
    matrix, targets = _matrix(2), np.eye(2)[CLUBS[TRAIN]]
    solved = matrix[np.ix_(REST, TRAIN)] @ np.linalg.solve(matrix[np.ix_(TRAIN, TRAIN)], targets)
    np.testing.assert_allclose(model.decision_function(REST), solved, atol=1e-5)
    np.testing.assert_allclose(model.decision_function(TRAIN), targets, atol=1e-5)


def test_the_first_step_is_label_propagation():
    model = ResidualPropagation(power=4, step_size=0.5, iterations=1).fit(ADJACENCY, _labels())
    spread = np.eye(2)[CLUBS] * np.isin(np.arange(34), TRAIN)[:, None]
    for _ in range(4):
        spread = _normalised() @ spread
    np.testing.assert_allclose(model.decision_, 0.5 * spread, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.3, "scale"])
def test_the_generalised_method_puts_a_kernel_of_features_in_the_middle(gamma):
    model = ResidualPropagation(power=4, kernel="rbf", gamma=gamma, iterations=30)
    model.fit(ADJACENCY, _labels(), features=FEATURES)
    number = 1.0 / (5 * FEATURES.var()) if gamma == "scale" else gamma
    expected = _loop(_matrix(4, _rbf(number)), step_size=1.0, steps=30)
    np.testing.assert_allclose(model.decision_, expected, atol=1e-10)
    assert model.growth_ == 1.0
    assert np.linalg.eigvalsh(_matrix(4, _rbf(number))).min() > -1e-12


@pytest.mark.parametrize("power", [1, 3])
def test_odd_powers_diverge_and_say_so(power):
    lowest = np.linalg.eigvalsh(_matrix(power)[np.ix_(TRAIN, TRAIN)])[0]
    assert lowest < 0.0
    model = ResidualPropagation(power=power, iterations=4000)
    with pytest.warns(ConvergenceWarning, match=f"power {power} has the eigenvalue .*take an even power"):
        model.fit(ADJACENCY, _labels())
    assert model.growth_ == pytest.approx(1.0 - lowest, rel=1e-9)
    # In the end, every step multiplies the residual by that.
    assert model.residuals_[-1] > 2 * model.residuals_[0]
    assert model.growth_ == pytest.approx(model.residuals_[-1] / model.residuals_[-2], rel=1e-6)


def test_what_has_blown_up_is_left_off():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = ResidualPropagation(power=1, iterations=10**6).fit(ADJACENCY, _labels())
    assert model.n_iter_ < 1000
    assert np.isfinite(model.decision_).all()


def test_a_step_that_is_too_long_is_named():
    largest = np.linalg.eigvalsh(_matrix(2)[np.ix_(TRAIN, TRAIN)])[-1]
    step_size = 2.2 / largest
    with pytest.warns(ConvergenceWarning, match=f"take a step_size below {2 / largest:.2g}"):
        model = ResidualPropagation(power=2, step_size=step_size, iterations=50).fit(ADJACENCY, _labels())
    assert model.growth_ == pytest.approx(1.2, rel=1e-6)
    fine = ResidualPropagation(power=2, step_size=1.9 / largest, iterations=50).fit(ADJACENCY, _labels())
    assert fine.growth_ == 1.0


def test_even_powers_shrink_the_residual_at_every_step():
    for power in (2, 4, 10):
        model = ResidualPropagation(power=power, step_size=2.0, iterations=60).fit(ADJACENCY, _labels())
        assert (np.diff(model.residuals_) <= 1e-12).all()
        assert model.growth_ == 1.0


def test_growth_is_found_for_many_training_nodes_too():
    graph = nx.gnm_random_graph(800, 2400, seed=1)
    adjacency = sparse.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    labels = np.arange(800) % 3
    labels[600:] = -1
    links = adjacency.toarray() + np.eye(800)
    links /= np.sqrt(np.outer(links.sum(1), links.sum(1)))
    lowest = np.linalg.eigvalsh(links[:600, :600])[0]
    with pytest.warns(ConvergenceWarning, match="power 1"):
        model = ResidualPropagation(power=1, iterations=2).fit(adjacency, labels)
    assert model.growth_ == pytest.approx(1.0 - lowest, rel=1e-3)


def test_validation_nodes_choose_when_to_stop_and_are_not_spread():
    held = REST[:10]
    labels = np.where(np.isin(np.arange(34), np.concatenate([TRAIN, held])), CLUBS, -1)
    model = ResidualPropagation(power=1, iterations=200).fit(ADJACENCY, labels, validation=held)
    assert model.growth_ > 1.0  # and no warning: it stops in time
    best = int(np.argmax(model.scores_))
    assert model.n_iter_ == best
    expected = _loop(_matrix(1), step_size=1.0, steps=best)
    np.testing.assert_allclose(model.decision_, expected, atol=1e-9)
    assert model.score(held, CLUBS[held]) == model.scores_.max()


def test_patience_ends_a_run():
    held = REST[:10]
    labels = np.where(np.isin(np.arange(34), np.concatenate([TRAIN, held])), CLUBS, -1)
    model = ResidualPropagation(power=2, iterations=500, patience=7).fit(ADJACENCY, labels, validation=held)
    assert len(model.scores_) == model.n_iter_ + 7 + 1


def test_a_part_of_the_graph_without_labels_is_not_covered():
    apart = np.zeros((36, 36))
    apart[:34, :34] = ADJACENCY
    apart[34, 35] = apart[35, 34] = 1.0
    labels = np.append(_labels(), [-1, -1])
    labels[[0, 1]] = -1
    model = ResidualPropagation(power=4).fit(apart, labels)
    np.testing.assert_array_equal(np.flatnonzero(~model.covered_), [34, 35])
    assert model.coverage_ == pytest.approx(34 / 36)
    counts = np.bincount(labels[labels >= 0])
    assert counts[1] > counts[0]
    np.testing.assert_array_equal(model.predict(np.array([34, 35])), [1, 1])  # argmax of nothing would be 0


def test_it_tells_the_clubs_apart():
    model = ResidualPropagation(power=4).fit(ADJACENCY, _labels())
    assert model.score(REST, CLUBS[REST]) > 0.85


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.coo_array, sparse.csr_matrix])
def test_the_graph_may_be_dense_or_sparse_one_way_or_weighted(kind):
    expected = ResidualPropagation().fit(ADJACENCY, _labels()).decision_
    upper = kind(np.triu(ADJACENCY) * 3.0 + np.diag(np.ones(34)))
    np.testing.assert_allclose(ResidualPropagation().fit(upper, _labels()).decision_, expected, atol=1e-12)


def test_numbering_of_nodes_and_names_of_classes_do_not_matter():
    order = np.random.default_rng(1).permutation(34)
    expected = ResidualPropagation().fit(ADJACENCY, _labels())
    model = ResidualPropagation().fit(ADJACENCY[order][:, order], _labels()[order])
    np.testing.assert_allclose(model.decision_, expected.decision_[order], atol=1e-12)
    named = np.where(_labels() == -1, -1, np.array([7, 40])[_labels()])
    other = ResidualPropagation().fit(ADJACENCY, named)
    np.testing.assert_array_equal(other.classes_, [7, 40])
    np.testing.assert_array_equal(other.predict(), np.array([7, 40])[expected.predict()])


def test_it_keeps_the_conventions_of_estimators():
    model = ResidualPropagation(power=6, step_size=0.3)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(power=2).power == 2
    with pytest.raises(NotFittedError):
        model.predict()
    adjacency, labels = ADJACENCY.copy(), _labels()
    assert model.fit(adjacency, labels) is model
    np.testing.assert_array_equal(adjacency, ADJACENCY)
    np.testing.assert_array_equal(labels, _labels())
    first = model.decision_.copy()
    np.testing.assert_array_equal(model.fit(adjacency, labels).decision_, first)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(), model.predict())
    assert model.n_features_in_ == 34
    assert "power=2" in repr(model)
    # Wrong options are refused by fit, not on construction, as clone and searches need.
    with pytest.raises(InputError, match="power"):
        ResidualPropagation(power=0).fit(adjacency, labels)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({"power": 1.5}, {}, "power: expected a count from 1 on, got 1.5"),
        ({"iterations": 0}, {}, "iterations: expected a count"),
        ({"patience": 0}, {}, "patience: expected a count"),
        ({"step_size": 0.0}, {}, "step_size: expected a number above 0"),
        ({"kernel": "linear"}, {}, "kernel: expected 'rbf' or None, got 'linear'"),
        ({"kernel": "rbf", "power": 3}, {"features": FEATURES}, "power: expected an even number"),
        ({"kernel": "rbf"}, {}, "features: expected features"),
        ({"kernel": "rbf"}, {"features": FEATURES[:5]}, r"features: expected finite numbers \[34, d\]"),
        ({"kernel": "rbf", "gamma": -1}, {"features": FEATURES}, "gamma: expected 'scale' or a number"),
        ({}, {"X": FEATURES}, r"X: expected the adjacency .*got shape \(34, 5\); features go"),
        ({}, {"y": np.zeros(5, dtype=int)}, r"y: expected a class.*34 nodes.*got int64 \(5,\)"),
        ({}, {"y": np.zeros(34)}, "y: expected a class.*float64"),
        ({}, {"y": np.full(34, -1)}, "y: expected a label for at least one training node"),
        ({}, {"validation": TRAIN}, "y: expected a label for at least one training node"),
        ({}, {"validation": REST[:3]}, "validation: expected nodes with a label"),
        ({}, {"validation": np.array([40])}, "validation: expected nodes with a label"),
        ({}, {"validation": np.array([0.5])}, "validation: expected numbers of nodes"),
    ],
)
def test_what_cannot_be_used_is_refused(options, arguments, message):
    given = {"X": ADJACENCY, "y": _labels(), **arguments}
    with pytest.raises(InputError, match=message):
        ResidualPropagation(**options).fit(**given)


@pytest.mark.parametrize("nodes", [np.array([34]), np.array([-1]), FEATURES, np.array([0.5])])
def test_predictions_are_for_nodes_of_the_graph(nodes):
    with pytest.raises(InputError, match="X: expected"):
        ResidualPropagation().fit(ADJACENCY, _labels()).predict(nodes)


def test_a_kernel_between_too_many_nodes_is_refused_before_memory_is():
    empty = sparse.csr_array((20_000, 20_000))
    labels = np.zeros(20_000, dtype=int)
    with pytest.raises(InputError, match=r"kernel: expected at most 16384 nodes.*got 20000"):
        ResidualPropagation(kernel="rbf").fit(empty, labels, features=np.zeros((20_000, 1)))
