"""How often scipy's `nnls` misses the projection of GRE+ where constraints are tight, beside our active set.

    python benchmarks/nnls.py

Each problem projects a gradient that already lies on the boundary of the half-spaces <g, g_i> >= 0 of k
anchors, so that it should stay where it is: the dot products with some anchors are zero but for rounding. A
point counts as wrong where it opposes an anchor by more than 1e-6 of their lengths, or moved by more than
1e-6 of its length.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize

from gradprobe.combiners.halfspaces import halfspace_multipliers

PROBLEMS, TOLERANCE = 300, 1e-6


def problem(random: np.random.Generator) -> np.ndarray:
    """A gradient that opposes none of its anchors, and touches some, with them [1+k, n]."""
    anchors, parameters = int(random.integers(3, 14)), int(random.integers(3, 40))
    rows = random.standard_normal((1 + anchors, parameters))
    rows[0] = our_point(rows)
    return rows


def scipy_point(rows: np.ndarray) -> np.ndarray:
    """The projection from scipy's non-negative least squares on the anchors."""
    multipliers, _ = scipy.optimize.nnls(rows[1:].T, -rows[0])
    return rows[0] + multipliers @ rows[1:]


def our_point(rows: np.ndarray) -> np.ndarray:
    """The projection from the Gramian alone."""
    return rows[0] + halfspace_multipliers(rows @ rows.T) @ rows[1:]


SOLVERS = {"scipy.optimize.nnls": scipy_point, "gradprobe": our_point}


def main() -> None:
    """Print how many points of each are wrong."""
    random = np.random.default_rng(0)
    wrong = dict.fromkeys(SOLVERS, 0)
    problems = 0
    for _ in range(PROBLEMS):
        rows = problem(random)
        length = np.linalg.norm(rows[0])
        if length < TOLERANCE:
            continue
        problems += 1
        scale = length * np.linalg.norm(rows[1:], axis=1)
        for name, project in SOLVERS.items():
            point = project(rows)
            opposes = bool((rows[1:] @ point < -TOLERANCE * scale).any())
            wrong[name] += opposes or bool(np.linalg.norm(point - rows[0]) > TOLERANCE * length)
    print(f"scipy {scipy.__version__}, wrong points in {problems} problems:")
    for name, count in wrong.items():
        print(f"  {name:20} {count}")


if __name__ == "__main__":
    main()
