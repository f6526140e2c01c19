"""PCGrad: every task gradient loses what conflicts with the others, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.options import check_choice, check_number
from gradprobe.combiners.presence import PresentTasks
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

Order = Literal["random", "fixed"]
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class PCGrad(PresentTaskCombiner):
    """Project conflicting gradients (Yu et al. 2020, Algorithm 1).

    Starting from g_i, for every other task j in an order of its own: where the dot with the original
    g_j is negative, take away the part along g_j. A zero g_j is never projected on. The projected
    gradients are averaged (`reduction="mean"`, the default) or added up (`"sum"`, as in the paper).

    `order="random"` draws an independent uniform order for each task at every call, from a generator
    of this object's own made from `seed`; so two calls differ, and two objects of one seed agree.
    `order="fixed"` visits 0, 1, 2, ...: deterministic, meant for tests. Over five tasks or more it is
    a biased PCGrad.

    Raises:
        InputError: an unknown order or reduction, or a seed that is no non-negative integer.
    """

    seed: int = 0
    order: Order = "random"
    reduction: Reduction = "mean"
    name: ClassVar[str] = "pcgrad"
    _generator: np.random.Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_choice("order", self.order, get_args(Order))
        check_choice("reduction", self.reduction, get_args(Reduction))
        check_number("seed", self.seed, low=0)
        if not isinstance(self.seed, int):
            raise InputError(f"seed: expected a non-negative integer, got {self.seed!r}")
        object.__setattr__(self, "_generator", np.random.default_rng(self.seed))

    def combine(self, tasks: PresentTasks) -> FloatArray:
        """Mean or sum over tasks of the coefficients of their projected gradients."""
        visits = visits_in_order(tasks.rows.size)
        if self.order == "random":
            visits = self._generator.permuted(visits, axis=1)
        projected = project_conflicts(tasks.gramian, visits)
        total = np.asarray(projected.sum(axis=0))
        return total / tasks.rows.size if self.reduction == "mean" else total


def visits_in_order(count: int) -> npt.NDArray[np.intp]:
    """Visits [p, p-1] in task order: row i lists the tasks other than i.

    >>> visits_in_order(3)
    array([[1, 2],
           [0, 2],
           [0, 1]])
    """
    others = np.arange(count - 1)[None, :]
    return others + (others >= np.arange(count)[:, None])


def project_conflicts(gramian: FloatArray, visits: npt.NDArray[np.intp]) -> FloatArray:
    """Coefficients [p, p] on the original gradients of each task's gradient after its `visits` [p, p-1].

    All tasks make their k-th visit at once: a projection is always against an original gradient, so
    the tasks do not see one another's changes.
    """
    rows = np.arange(gramian.shape[0])
    squares = np.diagonal(gramian)
    coefficients = np.eye(rows.size)
    for partners in visits.T:
        dots = np.einsum("ij,ij->i", coefficients, gramian[partners])
        conflicting = (dots < 0.0) & (squares[partners] > 0.0)
        i, j = rows[conflicting], partners[conflicting]
        coefficients[i, j] -= dots[conflicting] / squares[j]
    return coefficients
