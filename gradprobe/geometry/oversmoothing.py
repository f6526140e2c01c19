"""How far the rows of a matrix are from one another: the mu of oversmoothing, with its norm beside it.

Small mu means similar rows, so the paper's name "similarity" for it is inverted. It falls with the
matrix itself: a matrix that vanishes has a small mu however different its rows are. Hence `relative`,
mu over the norm, which stays in [0, 1] whatever the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray
from gradprobe.geometry.quantity import Quantity

IntArray = npt.NDArray[np.int64]

ZERO_MATRIX = "every row is zero"
NOT_FINITE = "an entry is NaN or infinite"
_TINY = 1e-100


@dataclass(frozen=True)
class RowSpread:
    """How much of a matrix [n, d] lies outside the matrices whose rows are all alike.

    `mu` is the Frobenius distance to them, `norm` the Frobenius norm, `relative` mu / norm in [0, 1]:
    0 where all rows are alike, 1 where they have nothing in common; NaN with a `reason` for a zero
    matrix. `zero_rows` is the share of rows that are zero: where only labelled nodes receive a
    gradient, mu measures that mask. A matrix with an entry that is NaN or infinite has an infinite
    norm, and mu and relative are NaN.
    """

    mu: float
    norm: float
    relative: float
    zero_rows: float
    reason: str = ""


@dataclass(frozen=True, eq=False)
class GroupSpreads:
    """`RowSpread` for each of g groups of `sizes` [g] rows, named by `groups` [g]; the others are [g] too."""

    groups: IntArray
    sizes: IntArray
    mu: FloatArray
    norm: FloatArray
    relative: Quantity
    zero_rows: FloatArray

    def together(self) -> RowSpread:
        """The spread within groups over all rows; mu^2 is the sum over the groups."""
        zero_rows = float(self.zero_rows @ self.sizes / self.sizes.sum())
        if not np.isfinite(self.norm).all():
            return RowSpread(np.nan, np.inf, np.nan, zero_rows, NOT_FINITE)
        mu, norm = _length(self.mu), _length(self.norm)
        if norm == 0.0:
            return RowSpread(0.0, 0.0, np.nan, zero_rows, ZERO_MATRIX)
        return RowSpread(mu, norm, min(mu / norm, 1.0), zero_rows)


def row_spread(
    rows: FloatArray, *, degrees: FloatArray | None = None, groups: IntArray | None = None
) -> RowSpread:
    """mu(X) = ||X - u u^T X||_F of X [n, d], u the unit vector along `degrees`^(1/2) (arXiv:2410.04824).

    Args:
        rows: the matrix; a row stands for a node.
        degrees: [n], positive: degrees with self-loops. What the symmetrically normalised adjacency
            smooths to is their square root, not a constant. None: all ones, and the distance is that
            to the mean row, as in the paper.
        groups: [n], such as `components` of a graph or the graph of each node of a batch. Rows need
            then be alike within their group only, and mu^2 is the sum over the groups.

    mu is a seminorm (subadditive, unmoved by adding the same row to all), zero for alike rows alone:
    exactly for equal ones, up to rounding with degrees. One row is alike with itself.

    Raises:
        InputError: no matrix with at least one row, or degrees or groups that do not fit it.

    >>> found = row_spread(np.array([[3.0], [1.0]]))
    >>> round(found.mu, 6), round(found.relative, 6)
    (1.414214, 0.447214)
    """
    whole = np.zeros(len(_matrix(rows)), dtype=np.int64)
    return row_spreads(rows, whole if groups is None else groups, degrees=degrees).together()


def row_spreads(rows: FloatArray, groups: IntArray, *, degrees: FloatArray | None = None) -> GroupSpreads:
    """mu, norm and relative mu of each group of rows of a matrix [n, d], by `groups` [n].

    `degrees` [n] are those of `row_spread`, whose errors these are.
    """
    matrix, smooth = _matrix(rows), _smooth(rows, degrees)
    if np.shape(groups) != (len(matrix),):
        raise InputError(f"groups: expected one number a row [{len(matrix)}], got shape {np.shape(groups)}")
    names, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    members = _members(place)
    peaks = np.maximum(matrix.max(axis=1, initial=0.0), -matrix.min(axis=1, initial=0.0))
    finite = members @ ~np.isfinite(peaks) == 0
    scale = _scales(np.where(finite[place], peaks, 0.0), place)
    scaled = matrix if (scale == 1.0).all() else matrix / scale[place, None]
    if not finite.all():
        scaled = np.where(finite[place, None], scaled, 0.0)
    # From the group's first row, so that equal rows leave exactly nothing and close ones keep their digits.
    outside = scaled - _along(smooth, scaled[first] / smooth[first, None], place)
    common = (members @ (smooth[:, None] * outside)) / (members @ smooth**2)[:, None]
    outside -= _along(smooth, common, place)
    mu, norm = (scale * np.sqrt(members @ np.einsum("nd,nd->n", m, m)) for m in (outside, scaled))
    mu, norm = np.where(finite, mu, np.nan), np.where(finite, norm, np.inf)
    zero_rows = members @ (peaks == 0) / sizes
    return GroupSpreads(names.astype(np.int64), sizes, mu, norm, _relative(mu, norm), zero_rows)


def components(edges: IntArray, nodes: int) -> IntArray:
    """The connected component [n] of every node, from edges [2, e] in either direction."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    adjacency = coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(nodes, nodes))
    return np.asarray(connected_components(adjacency, directed=False)[1], dtype=np.int64)


def looped_degrees(edges: IntArray, nodes: int) -> FloatArray:
    """Degrees [n] with one self-loop each, from directed edges [2, e] that hold both directions."""
    apart = edges[1][edges[0] != edges[1]]
    return 1.0 + np.bincount(apart, minlength=nodes).astype(np.float64)


def _matrix(rows: FloatArray) -> FloatArray:
    matrix = np.asarray(rows, dtype=np.float64)
    if matrix.ndim != 2 or not len(matrix):
        raise InputError(
            f"rows: expected a matrix [rows, width] with at least one row, got shape {matrix.shape}"
        )
    return matrix


def _smooth(rows: FloatArray, degrees: FloatArray | None) -> FloatArray:
    if degrees is None:
        return np.ones(len(rows))
    if np.shape(degrees) != (len(rows),) or not np.all(np.asarray(degrees) > 0):
        raise InputError(
            f"degrees: expected one positive number a row [{len(rows)}], got shape {np.shape(degrees)} "
            "or one that is not; count a self-loop for every node"
        )
    return np.sqrt(np.asarray(degrees, dtype=np.float64))


def _members(place: IntArray) -> Any:
    """The sparse matrix [g, n] that sums rows by their group, at `place` [n]."""
    from scipy.sparse import csr_array

    rows = len(place)
    if not place.any():
        return np.ones((1, rows))
    return csr_array((np.ones(rows), (place, np.arange(rows))), shape=(int(place.max()) + 1, rows))


def _scales(peaks: FloatArray, place: IntArray) -> FloatArray:
    """What to divide each group by [g], given the largest entry [n] of every row; mostly one.

    Squares of what 500 layers leave of a gradient would underflow; those of an explosion would overflow.
    """
    largest = np.zeros(int(place.max()) + 1)
    np.maximum.at(largest, place, peaks)
    return np.where((largest == 0) | ((largest > _TINY) & (largest < 1 / _TINY)), 1.0, largest)


def _along(smooth: FloatArray, common: FloatArray, place: IntArray) -> FloatArray:
    """Rows [n, d] that follow the smooth vector [n] within each group, with coefficients [g, d]."""
    return smooth[:, None] * (common if len(common) == 1 else common[place])


def _length(values: FloatArray) -> float:
    """The Euclidean length of values that may be tiny or huge."""
    scale = float(np.abs(values).max())
    return scale * float(np.linalg.norm(values / scale)) if scale > 0 else 0.0


def _relative(mu: FloatArray, norm: FloatArray) -> Quantity:
    values = np.full(mu.shape, np.nan)
    np.divide(mu, norm, out=values, where=np.isfinite(norm) & (norm > 0))
    reasons: dict[tuple[int, ...], str] = {
        (int(i),): ZERO_MATRIX if norm[i] == 0 else NOT_FINITE for i in np.flatnonzero(np.isnan(values))
    }
    return Quantity(np.minimum(values, 1.0), reasons)
