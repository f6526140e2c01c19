"""The Gramian of group gradients, kept per layer: what everything else is read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradprobe.errors import InputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# The fold of held-out rows: they are none of the step's, so they belong to no task's gradient.
HELDOUT = "H"
NOT_REACHED = "no loss reaches this layer at this step"


@dataclass(frozen=True, order=True)
class Group:
    """The rows behind one gradient: a task, or one fold (`"A"`, `"B"`) of a task's rows in a step.

    Fold `"H"` holds held-out rows of a task, which the step's update is not made from.
    """

    task: str
    fold: str = ""

    @property
    def heldout(self) -> bool:
        """Whether these are held-out rows."""
        return self.fold == HELDOUT


@dataclass(frozen=True, eq=False)
class Gramian:
    """Inner products [l, g, g] of g group gradients, one matrix for each of l layers.

    `values[k, i, j]` is the inner product of the gradients of groups i and j on the parameters of
    layer k. A group's gradient is that of the mean loss over its rows, so a task's gradient is the
    row-weighted mean of its folds'. Per-layer Gramians add up to the overall one.

    A layer that no loss of the step reaches has no gradient, not a zero one: its values are NaN, and the
    overall Gramian is that of the other layers. Where one task reaches a layer and another does not, the
    other's gradient there is zero.

    `rows` counts the rows behind each group (0: the caller gave a scalar loss and no count);
    `parameters` counts the parameters of each layer.
    """

    groups: tuple[Group, ...]
    layers: tuple[str, ...]
    values: FloatArray
    rows: tuple[int, ...]
    parameters: tuple[int, ...]

    def __post_init__(self) -> None:
        expected = (len(self.layers), len(self.groups), len(self.groups))
        if self.values.shape != expected:
            raise InputError(
                f"values: expected shape {expected} (layers, groups, groups), got {self.values.shape}"
            )
        if len(self.rows) != len(self.groups) or len(self.parameters) != len(self.layers):
            raise InputError(
                f"rows, parameters: expected {len(self.groups)} and {len(self.layers)} counts, "
                f"got {len(self.rows)} and {len(self.parameters)}"
            )
        if len(set(self.groups)) != len(self.groups):
            raise InputError(f"groups: expected distinct groups, got {self.groups}")

    @property
    def total(self) -> FloatArray:
        """Inner products [g, g] over all layers that are reached; NaN where none is."""
        skipped = np.isnan(self.values) & self.unreached[:, None, None]
        total = np.where(skipped, 0.0, self.values).sum(axis=0)
        return np.asarray(np.where(skipped.all(axis=0), np.nan, total))

    @cached_property
    def unreached(self) -> BoolArray:
        """Which layers [l] no loss of the step reaches: they have no gradient and count in no total."""
        own = [i for i, group in enumerate(self.groups) if not group.heldout]
        blocks = self.values[:, own][:, :, own]
        return np.asarray(np.isnan(blocks).all(axis=(1, 2)) if own else np.zeros(len(blocks), dtype=np.bool_))

    @property
    def reached_layers(self) -> tuple[str, ...]:
        """The layers that totals are over."""
        return tuple(layer for layer, out in zip(self.layers, self.unreached, strict=True) if not out)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks with rows in the step, in the order in which their groups stand."""
        return tuple(dict.fromkeys(group.task for group in self.groups if not group.heldout))

    @property
    def folded(self) -> bool:
        """Whether the step's groups are folds of tasks rather than whole tasks."""
        return any(group.fold and not group.heldout for group in self.groups)

    def without_heldout(self) -> Gramian:
        """The Gramian of the step's own groups."""
        if not any(group.heldout for group in self.groups):
            return self
        return self._at([i for i, group in enumerate(self.groups) if not group.heldout])

    def by_task(self) -> Gramian:
        """The Gramian of whole tasks: folds merged, each weighted by its rows; held-out rows left out."""
        own = self.without_heldout()
        if not own.folded:
            return own
        merging = own.merging
        return Gramian(
            groups=tuple(Group(task) for task in own.tasks),
            layers=own.layers,
            values=merging @ own.values @ merging.T,
            rows=tuple(sum(row) for row in np.where(merging > 0.0, own.rows, 0).tolist()),
            parameters=own.parameters,
        )

    @property
    def merging(self) -> FloatArray:
        """Weights [m, g] with which groups add up to whole tasks: shares of rows, 0 for held-out ones."""
        merging = np.zeros((len(self.tasks), len(self.groups)))
        for column, (group, rows) in enumerate(zip(self.groups, self.rows, strict=True)):
            if not group.heldout:
                merging[self.tasks.index(group.task), column] = rows if self.folded else 1.0
        return np.asarray(merging / merging.sum(axis=1, keepdims=True))

    def select(self, tasks: Sequence[str]) -> Gramian:
        """The Gramian of the named tasks with all their groups, in the order given.

        Raises:
            InputError: a task has no group here.
        """
        present = {group.task for group in self.groups}
        absent = [task for task in tasks if task not in present]
        if absent:
            raise InputError(f"tasks: expected some of {list(self.tasks)}, got {absent}")
        return self._at([i for task in tasks for i, group in enumerate(self.groups) if group.task == task])

    def _at(self, index: Sequence[int]) -> Gramian:
        """The groups at some positions."""
        return Gramian(
            groups=tuple(self.groups[i] for i in index),
            layers=self.layers,
            values=self.values[:, index][:, :, index],
            rows=tuple(self.rows[i] for i in index),
            parameters=self.parameters,
        )
