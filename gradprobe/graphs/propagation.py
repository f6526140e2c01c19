"""Residual propagation: what a graph network learns, without a network (Yang et al. 2024).

Gradient descent on a network moves its outputs by the tangent kernel times the residuals of the training
nodes. Residual propagation puts a power of the graph's adjacency in the kernel's place and has no
parameters left to learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from gradprobe.errors import InputError, missing_extra
from gradprobe.geometry.adjacency import IntArray, normalised_adjacency
from gradprobe.geometry.gramian import BoolArray, FloatArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise missing_extra("scikit-learn", "graphs") from error

Spread = Callable[[FloatArray], FloatArray]

UNLABELLED = -1
# A kernel between all pairs of nodes is dense.
_LARGEST_KERNEL = 1 << 31
# Up to so many training nodes, eigenvalues come from the matrix itself.
_DENSE = 500
_BLOWN_UP = 1e6


class ResidualPropagation(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A transductive classifier of nodes that spreads the training nodes' residuals over the graph.

    With residuals R [n, c], at first the one-hot labels Y of the training nodes and zero elsewhere, each
    step takes `R <- R - step_size * M [R_train; 0]`. What R is short of at the start is the prediction:
    `Y - R` on training nodes, `-R` on all others. The first step is label propagation. M is `A^power`, A the
    normalised adjacency with self-loops; with `kernel="rbf"`, the generalised method, it is
    `A^(power/2) K A^(power/2)` with K the symmetrically normalised `exp(-gamma |x_i - x_j|^2)` of the
    nodes' features, so that `power` counts steps along edges in both (the paper's k is `power / 2` there).

    On training nodes R is `(1 - step_size M_xx)^t Y` after t steps, which shrinks where M_xx has no negative
    eigenvalue and `step_size < 2 / lambda_max(M_xx)`: for even powers and the kernel, any step size below
    2. **Odd powers can have negative eigenvalues, and R then grows without end.** This is looked for before
    the first step: `growth_` tells, and without validation nodes a `ConvergenceWarning` is given.

    Left out: the weight alpha < 1 of released code, which is a teleporting walk in one of its programs and
    a lazy one in the other; and regression, which differs in the labels only.

    Args:
        power: steps along edges, K in the paper.
        step_size: of gradient descent.
        iterations: steps at most.
        patience: with validation nodes, stop after so many steps without a better score; None: never.
        kernel: `"rbf"` for the generalised method, which needs features; None for the graph alone.
        gamma: of the kernel; `"scale"` is 1 / (features x their variance), as in scikit-learn.

    Attributes:
        classes_: the classes [c], ascending.
        decision_: predictions [n, c]; not probabilities.
        transduction_: the predicted class [n] of every node.
        covered_: which nodes [n] any label has reached. None reaches a part of the graph without labelled
            nodes; all nodes that were not reached are given the most frequent training class.
        coverage_: their share.
        n_iter_: the step whose predictions are kept: the last, or the first of the best validation score.
        residuals_: norms [t + 1] of the training residual before the first step and after each.
        scores_: validation accuracy [t + 1] likewise; empty without validation nodes.
        growth_: the factor by which a part of the training residual grows in a step; 1 where none does.
        n_features_in_: n.
    """

    def __init__(
        self,
        *,
        power: int = 4,
        step_size: float = 1.0,
        iterations: int = 100,
        patience: int | None = None,
        kernel: Literal["rbf"] | None = None,
        gamma: float | Literal["scale"] = "scale",
    ) -> None:
        self.power = power
        self.step_size = step_size
        self.iterations = iterations
        self.patience = patience
        self.kernel = kernel
        self.gamma = gamma

    def fit(
        self,
        X: sparse.sparray | FloatArray,
        y: IntArray,
        *,
        features: FloatArray | None = None,
        validation: IntArray | None = None,
    ) -> ResidualPropagation:
        """Spread the labels y [n] over a graph with adjacency X [n, n].

        Args:
            X: dense or sparse; an edge is whatever is not zero, in either direction, without weight.
            y: classes as integers, -1 where there is none, as in `sklearn.semi_supervised`.
            features: of the nodes [n, d], for the kernel.
            validation: nodes whose labels in y choose when to stop, and are not spread.

        Raises:
            InputError: options out of range, or arrays that do not fit together.
        """
        _check_options(self)
        adjacency = _check_graph(X)
        labels = _check_labels(y, adjacency.shape[0])
        held = _check_validation(validation, labels)
        known = labels != UNLABELLED
        known[held] = False
        if not known.any():
            raise InputError("y: expected a label for at least one training node, got none")
        self.n_features_in_ = len(labels)
        self.classes_ = np.unique(labels[known])
        spread = self._spread(adjacency, features)
        self.growth_ = self._growth(spread, known, stops=bool(held.size))
        self._run(spread, labels, known, held)
        self.covered_ = np.asarray((self.decision_ != 0.0).any(axis=1))
        self.coverage_ = float(self.covered_.mean())
        self.transduction_ = self._classes(self.decision_, labels[known])
        return self

    def predict(self, X: IntArray | None = None) -> IntArray:
        """The classes [m] of the nodes with the numbers X [m]; None: of all."""
        check_is_fitted(self)
        return np.asarray(self.transduction_[self._nodes(X)])

    def decision_function(self, X: IntArray | None = None) -> FloatArray:
        """What has reached the nodes with the numbers X [m] (None: all), class by class [m, c]."""
        check_is_fitted(self)
        return np.asarray(self.decision_[self._nodes(X)])

    def _nodes(self, X: IntArray | None) -> IntArray:
        nodes = np.arange(self.n_features_in_) if X is None else np.asarray(X)
        if nodes.ndim != 1 or not np.issubdtype(nodes.dtype, np.integer):
            raise InputError(
                f"X: expected numbers of nodes [m], got {nodes.dtype} {nodes.shape}; the graph goes to fit"
            )
        if nodes.size and not 0 <= nodes.min() <= nodes.max() < self.n_features_in_:
            raise InputError(f"X: expected nodes from 0 to {self.n_features_in_ - 1}, got others")
        return nodes

    def _spread(self, adjacency: sparse.csr_array, features: FloatArray | None) -> Spread:
        """Multiplication of values [n, c] by M."""
        if self.kernel is None:
            return lambda values: _walk(adjacency, values, self.power)
        if features is None:
            raise InputError("features: expected features [n, d] of the nodes for kernel='rbf', got None")
        between = _rbf(np.asarray(features, dtype=np.float64), adjacency.shape[0], self.gamma)
        half = self.power // 2
        return lambda values: _walk(adjacency, between @ _walk(adjacency, values, half), half)

    def _growth(self, spread: Spread, known: BoolArray, *, stops: bool) -> float:
        positive = self.kernel is not None or self.power % 2 == 0
        if positive and self.step_size <= 2.0:  # all eigenvalues are from 0 to 1
            return 1.0
        low, high = _extremes(spread, known)
        growth = max(abs(1.0 - self.step_size * low), abs(1.0 - self.step_size * high), 1.0)
        if growth <= 1.0 + 1e-9:
            return 1.0
        if not stops:
            cause, remedy = (
                (f"power {self.power} has the eigenvalue {low:.2g} there", "take an even power")
                if self.step_size * low < 2.0 - self.step_size * high
                else (f"the largest eigenvalue is {high:.2g}", f"take a step_size below {2.0 / high:.2g}")
            )
            warnings.warn(
                f"residuals of training nodes grow by a factor of up to {growth:.3g} a step, since {cause}; "
                f"{remedy}, or give validation nodes to stop early",
                ConvergenceWarning,
                stacklevel=3,
            )
        return growth

    def _run(self, spread: Spread, labels: IntArray, known: BoolArray, held: IntArray) -> None:
        start = np.zeros((len(labels), len(self.classes_)))
        start[known] = labels[known, None] == self.classes_
        residual, best = start.copy(), start.copy()
        norms, scores = [float(np.linalg.norm(start))], [self._score(start - residual, labels, known, held)]
        self.n_iter_ = 0
        for step in range(1, self.iterations + 1):
            residual -= self.step_size * spread(np.where(known[:, None], residual, 0.0))
            norms.append(float(np.linalg.norm(residual[known])))
            scores.append(self._score(start - residual, labels, known, held))
            if not held.size or scores[-1] > scores[self.n_iter_]:
                self.n_iter_ = step
                best[:] = residual
            if norms[-1] > _BLOWN_UP * norms[0] or (
                self.patience is not None and held.size and step - self.n_iter_ >= self.patience
            ):
                break
        self.decision_ = start - best
        self.residuals_ = np.array(norms)
        self.scores_ = np.array(scores if held.size else [])

    def _score(self, decision: FloatArray, labels: IntArray, known: BoolArray, held: IntArray) -> float:
        if not held.size:
            return float("nan")
        return float((self._classes(decision[held], labels[known]) == labels[held]).mean())

    def _classes(self, decision: FloatArray, training: IntArray) -> IntArray:
        """The class [m] of each row [m, c]; the most frequent training class where nothing has arrived."""
        frequent = self.classes_[np.argmax((training[:, None] == self.classes_).sum(axis=0))]
        reached = (decision != 0.0).any(axis=1)
        return np.asarray(np.where(reached, self.classes_[decision.argmax(axis=1)], frequent))


def _walk(adjacency: sparse.csr_array, values: FloatArray, steps: int) -> FloatArray:
    for _ in range(steps):
        values = np.asarray(adjacency @ values)
    return values


def _rbf(features: FloatArray, nodes: int, gamma: float | Literal["scale"]) -> FloatArray:
    """The kernel D^-1/2 exp(-gamma |x_i - x_j|^2) D^-1/2 [n, n], D its row sums."""
    if features.ndim != 2 or len(features) != nodes or not np.isfinite(features).all():
        raise InputError(f"features: expected finite numbers [{nodes}, d], got shape {features.shape}")
    if 8 * nodes**2 > _LARGEST_KERNEL:
        raise InputError(
            f"kernel: expected at most {int((_LARGEST_KERNEL / 8) ** 0.5)} nodes, since a kernel between all "
            f"pairs is dense, got {nodes}; take kernel=None"
        )
    if gamma == "scale":
        variance = float(features.var())
        gamma = 1.0 / (features.shape[1] * variance) if variance > 0.0 else 1.0
    squares = (features**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2.0 * (features @ features.T), 0.0)
    np.fill_diagonal(distances, 0.0)
    kernel = np.exp(-gamma * distances)
    scale = 1.0 / np.sqrt(kernel.sum(axis=1))
    return np.asarray(scale[:, None] * kernel * scale)


def _extremes(spread: Spread, known: BoolArray) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of M between training nodes."""
    count = int(known.sum())

    def product(values: FloatArray) -> FloatArray:
        full = np.zeros((len(known), values.shape[1]))
        full[known] = values
        return spread(full)[known]

    if count <= _DENSE:
        eigenvalues = linalg.eigvalsh(product(np.eye(count)))
        return float(eigenvalues[0]), float(eigenvalues[-1])
    operator = LinearOperator(
        (count, count), matvec=lambda v: product(v.reshape(-1, 1))[:, 0], dtype=np.dtype(np.float64)
    )
    start = np.random.default_rng(0).normal(size=count)
    ends = eigsh(operator, k=2, which="BE", v0=start, tol=1e-4, return_eigenvectors=False)
    return float(ends.min()), float(ends.max())


def _check_options(estimator: ResidualPropagation) -> None:
    counts = {"power": estimator.power, "iterations": estimator.iterations, "patience": estimator.patience}
    for name, count in counts.items():
        if name == "patience" and count is None:
            continue
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise InputError(f"{name}: expected a count from 1 on, got {count!r}")
    if not estimator.step_size > 0.0:
        raise InputError(f"step_size: expected a number above 0, got {estimator.step_size!r}")
    if estimator.kernel not in (None, "rbf"):
        raise InputError(f"kernel: expected 'rbf' or None, got {estimator.kernel!r}")
    if estimator.kernel and estimator.power % 2:
        raise InputError(
            f"power: expected an even number, half on each side of the kernel, got {estimator.power}"
        )
    if estimator.gamma != "scale" and not (isinstance(estimator.gamma, float | int) and estimator.gamma > 0):
        raise InputError(f"gamma: expected 'scale' or a number above 0, got {estimator.gamma!r}")


def _check_graph(X: Any) -> sparse.csr_array:
    matrix = sparse.coo_array(X)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"X: expected the adjacency [nodes, nodes] of a graph, got shape {matrix.shape}; features go to "
            "features="
        )
    kept = np.asarray(matrix.data) != 0
    edges = np.stack([np.asarray(ends, dtype=np.int64)[kept] for ends in matrix.coords])
    return cast(sparse.csr_array, normalised_adjacency(edges, matrix.shape[0]))


def _check_labels(y: npt.ArrayLike, nodes: int) -> IntArray:
    labels = np.asarray(y)
    if labels.shape != (nodes,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"y: expected a class, or {UNLABELLED} for none, for each of {nodes} nodes as integers, got "
            f"{labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)


def _check_validation(validation: IntArray | None, labels: IntArray) -> IntArray:
    held = np.zeros(0, dtype=np.int64) if validation is None else np.asarray(validation)
    if held.size == 0:
        return np.zeros(0, dtype=np.int64)
    if held.ndim != 1 or not np.issubdtype(held.dtype, np.integer):
        raise InputError(f"validation: expected numbers of nodes [m], got {held.dtype} {held.shape}")
    if not 0 <= held.min() <= held.max() < len(labels) or (labels[held] == UNLABELLED).any():
        raise InputError("validation: expected nodes with a label in y, got others")
    return held
