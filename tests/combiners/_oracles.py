"""Slow, obvious combiners on explicit gradient vectors; none of them looks at a Gramian."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations, product

import numpy as np
from scipy.optimize import minimize

from gradprobe.geometry import FloatArray


def pcgrad_visits(rows: FloatArray, i: int, order: Sequence[int]) -> FloatArray:
    """Gradient i after visiting the tasks of `order`, itself too if it is among them."""
    gradient = rows[i].copy()
    for j in order:
        dot = gradient @ rows[j]
        if dot < 0:
            gradient = gradient - dot / (rows[j] @ rows[j]) * rows[j]
    return gradient


def pcgrad_fixed(rows: FloatArray, *, visit_self: bool = False) -> FloatArray:
    count = len(rows)
    return np.sum(
        [pcgrad_visits(rows, i, [j for j in range(count) if visit_self or j != i]) for i in range(count)],
        axis=0,
    )


def pcgrad_expectation(rows: FloatArray) -> FloatArray:
    """The sum over tasks of the mean over all equally likely orders."""
    expected = np.zeros(rows.shape[1])
    for i in range(len(rows)):
        orders = list(permutations([j for j in range(len(rows)) if j != i]))
        expected += np.mean([pcgrad_visits(rows, i, order) for order in orders], axis=0)
    return expected


def gating(rows: FloatArray, focal: int, reduction: str) -> FloatArray:
    total, kept = rows[focal].copy(), 1
    for k, row in enumerate(rows):
        if k == focal:
            continue
        cosine = row @ rows[focal] / np.linalg.norm(row) / np.linalg.norm(rows[focal])
        if reduction == "weighted":
            total += max(0.0, cosine) * row
        elif cosine >= 0:
            total += row
            kept += 1
    return total / kept if reduction == "mean" else total


def rcgrad(rows: FloatArray, focal: int) -> FloatArray:
    axis = rows[focal] / np.linalg.norm(rows[focal])
    total = rows[focal].copy()
    for k, row in enumerate(rows):
        if k != focal:
            total += row if row @ axis >= 0 else row - (row @ axis) * axis
    return total / len(rows)


def gragr(rows: FloatArray, smoothing: float, first: str) -> FloatArray:
    def project(vectors: FloatArray) -> FloatArray:
        result = []
        for i, vector in enumerate(vectors):
            context = np.mean([other for j, other in enumerate(vectors) if j != i], axis=0)
            dot = vector @ context
            result.append(vector - dot / (context @ context) * context if dot < 0 else vector)
        return np.array(result)

    def smooth(vectors: FloatArray) -> FloatArray:
        count = len(vectors)
        laplacian = count * np.eye(count) - np.ones((count, count))
        return np.linalg.solve(np.eye(count) + smoothing * laplacian, vectors)

    steps = [project, smooth] if first == "projection" else [smooth, project]
    for step in steps:
        rows = step(rows)
    return rows.mean(axis=0)


def shortest_in_hull(rows: FloatArray) -> FloatArray:
    """The min-norm point of the hull, by the affine minimum of every subset of the rows."""
    best = rows[np.argmin(np.linalg.norm(rows, axis=1))]
    for size in range(2, len(rows) + 1):
        for subset in combinations(range(len(rows)), size):
            base, *others = rows[list(subset)]
            edges = np.array(others) - base
            shares = np.linalg.lstsq(edges.T, -base)[0]
            if (shares >= 0).all() and shares.sum() <= 1:
                point = base + shares @ edges
                best = min(best, point, key=np.linalg.norm)
    return best


def cagrad_primal(rows: FloatArray, c: float) -> FloatArray:
    """argmax min_i <g_i, d> over the ball around the mean: a cone programme in d and its floor t."""
    mean = rows.mean(axis=0)
    radius = c * np.linalg.norm(mean)
    constraints = [
        {
            "type": "ineq",
            "fun": lambda x: rows @ x[:-1] - x[-1],
            "jac": lambda x: np.c_[rows, -np.ones(len(rows))],
        },
        {
            "type": "ineq",
            "fun": lambda x: radius**2 - (x[:-1] - mean) @ (x[:-1] - mean),
            "jac": lambda x: np.append(-2 * (x[:-1] - mean), 0.0),
        },
    ]
    slope = np.append(np.zeros(mean.size), -1.0)
    best = None
    for sign, row in product((1.0, -1.0), rows):
        toward = mean + sign * 0.5 * radius * row / np.linalg.norm(row)
        start = np.append(toward, (rows @ toward).min())
        found = minimize(
            lambda x: -x[-1],
            start,
            jac=lambda _: slope,
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        feasible = np.linalg.norm(found.x[:-1] - mean) <= radius * (1 + 1e-9)
        floor = (rows @ found.x[:-1]).min()
        if feasible and (best is None or floor > best[0]):
            best = (floor, found.x[:-1])
    assert best is not None
    return best[1]
