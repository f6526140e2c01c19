"""Labels to the scale a model is trained on, and predictions back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.data.checks import is_constant
from gradprobe.data.splits import Splits, task_rows
from gradprobe.data.suggest import listed
from gradprobe.data.table import MoleculeTable
from gradprobe.data.task_labels import EXACT
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True, eq=False)
class TargetScaling:
    """A centre [m] and a spread [m] for each task: mean and standard deviation of its own train split.

    The standard deviation is the population's, of measured labels alone: bounds such as `<5` are scaled like
    them but count for nothing here. Classification labels stay 0 and 1: centre 0, spread 1.
    """

    tasks: tuple[str, ...]
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def fit(cls, table: MoleculeTable, splits: Splits) -> TargetScaling:
        """The scaling of every task of a table from its labels in the train split alone.

        Raises:
            InputError: a task has no two different labels in its train split.
        """
        centre = np.zeros(len(table.tasks))
        spread = np.ones(len(table.tasks))
        for column, task in enumerate(table.tasks):
            values, bounds = table.of(task).at(task_rows(table, splits, task, "train"))
            labels = values[bounds == EXACT]
            if is_constant(labels):
                raise InputError(
                    f"tasks: expected different labels of {task!r} in the train split, got {len(labels)} "
                    "without a difference; leave it out or use another seed or kind of split"
                )
            if table.kinds[task] == "regression":
                centre[column], spread[column] = labels.mean(), labels.std()
        return cls(table.tasks, centre, spread)

    def select(self, tasks: Sequence[str]) -> TargetScaling:
        """The scaling of some of the tasks, in the order given.

        Raises:
            InputError: there is no such task.
        """
        columns = [self._column(task) for task in tasks]
        return TargetScaling(tuple(tasks), self.centre[columns], self.spread[columns])

    def scale(self, labels: FloatArray, task: str) -> FloatArray:
        """Labels [...] of one task on the scale a model is trained on; missing ones stay NaN.

        Raises:
            InputError: there is no such task.
        """
        column = self._column(task)
        return np.asarray((labels - self.centre[column]) / self.spread[column])

    def unscale(self, predictions: FloatArray, task: str) -> FloatArray:
        """Predictions [...] of one task in the unit of its labels; those of a classification as they are.

        Raises:
            InputError: there is no such task.
        """
        column = self._column(task)
        return np.asarray(predictions * self.spread[column] + self.centre[column])

    def _column(self, task: str) -> int:
        if task not in self.tasks:
            raise InputError(f"task: expected one of {listed(self.tasks)}, got {task!r}")
        return self.tasks.index(task)
