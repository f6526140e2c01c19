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


@dataclass(frozen=True, order=True)
class Group:
    """The rows behind one gradient: a task, or one fold (`"A"`, `"B"`) of a task's rows in a step."""

    task: str
    fold: str = ""


@dataclass(frozen=True, eq=False)
class Gramian:
    """Inner products [l, g, g] of g group gradients, one matrix for each of l layers.

    `values[k, i, j]` is the inner product of the gradients of groups i and j on the parameters of
    layer k. A group's gradient is that of the mean loss over its rows, so a task's gradient is the
    row-weighted mean of its folds'. Per-layer Gramians add up to the overall one (METHODS §0.7).

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
        """Inner products [g, g] over all layers."""
        return np.asarray(self.values.sum(axis=0))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks in the order in which their groups stand."""
        return tuple(dict.fromkeys(group.task for group in self.groups))

    @property
    def folded(self) -> bool:
        """Whether groups are folds of tasks rather than whole tasks."""
        return any(group.fold for group in self.groups)

    def by_task(self) -> Gramian:
        """The Gramian of whole tasks: folds merged, each weighted by its rows."""
        if not self.folded:
            return self
        merge = np.zeros((len(self.tasks), len(self.groups)))
        for column, (group, rows) in enumerate(zip(self.groups, self.rows, strict=True)):
            merge[self.tasks.index(group.task), column] = rows
        counts = merge.sum(axis=1)
        merge /= counts[:, None]
        return Gramian(
            groups=tuple(Group(task) for task in self.tasks),
            layers=self.layers,
            values=merge @ self.values @ merge.T,
            rows=tuple(int(count) for count in counts),
            parameters=self.parameters,
        )

    def select(self, tasks: Sequence[str]) -> Gramian:
        """The Gramian of the named tasks, in the order given.

        Raises:
            InputError: a task has no group here.
        """
        absent = [task for task in tasks if task not in self.tasks]
        if absent:
            raise InputError(f"tasks: expected some of {list(self.tasks)}, got {absent}")
        index = [i for task in tasks for i, group in enumerate(self.groups) if group.task == task]
        return Gramian(
            groups=tuple(self.groups[i] for i in index),
            layers=self.layers,
            values=self.values[:, index][:, :, index],
            rows=tuple(self.rows[i] for i in index),
            parameters=self.parameters,
        )
