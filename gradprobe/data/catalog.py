"""Embedded data sets by name, and what a table holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradprobe.data.embedded import physchem
from gradprobe.data.formats.raw import Progress
from gradprobe.data.log10 import log10_labels, log10_offsets
from gradprobe.data.options import TableOptions
from gradprobe.data.reading import read_table
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.data.table import MoleculeTable, TaskKind
from gradprobe.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """An embedded data set."""

    name: str
    description: str


@dataclass(frozen=True)
class TaskSummary:
    """What a table holds of one task; the standard deviation is the population's.

    `unit` and `source` are empty where the table does not know them.
    """

    task: str
    kind: TaskKind
    n: int
    mean: float
    std: float
    min: float
    max: float
    unit: str
    source: str


_EMBEDDED = {"physchem": physchem}
_DATASETS = (Dataset("physchem", "nine measured properties of 11,600 organic compounds; focal: flash_point"),)


def list_datasets() -> tuple[Dataset, ...]:
    """The embedded data sets."""
    return _DATASETS


def load_table(
    source: str | Path,
    *,
    smiles: str | None = None,
    tasks: Sequence[str] | None = None,
    log10: Sequence[str] = (),
    options: TableOptions | None = None,
    progress: Progress | None = None,
) -> MoleculeTable:
    """The table of an embedded data set by its name, or else of a file (`read_table`).

    `smiles`, `options` and `progress` matter for files only.

    Raises:
        InputError: neither a data set nor a readable file, or a task that it does not have.
        MissingExtraError: RDKit or chemicals is not installed.
    """
    if str(source) not in _EMBEDDED:
        if not Path(source).exists() and not Path(source).suffix:
            raise InputError(
                f"table: expected a file or one of {listed(list(_EMBEDDED))}, got {str(source)!r}"
                f"{did_you_mean(str(source), list(_EMBEDDED))}"
            )
        return read_table(source, smiles=smiles, tasks=tasks, log10=log10, options=options, progress=progress)
    table = _EMBEDDED[str(source)]()
    for task, offset in log10_offsets(log10, table.tasks).items():
        table = _with_log10(table, task, offset)
    return table if tasks is None else table.select(tasks)


def describe(source: MoleculeTable | str) -> tuple[TaskSummary, ...]:
    """The tasks of a table, or of an embedded data set by its name, in their order.

    Raises:
        InputError: there is no data set of this name.
    """
    table = source if isinstance(source, MoleculeTable) else load_table(source)
    return tuple(_summary(table, task) for task in table.tasks)


def _summary(table: MoleculeTable, task: str) -> TaskSummary:
    labels = table.of(task).exact
    origin = table.origins.get(task)
    return TaskSummary(
        task=task,
        kind=table.kinds[task],
        n=len(labels),
        mean=float(labels.mean()) if len(labels) else np.nan,
        std=float(labels.std()) if len(labels) else np.nan,
        min=float(labels.min(initial=np.inf)) if len(labels) else np.nan,
        max=float(labels.max(initial=-np.inf)) if len(labels) else np.nan,
        unit=origin.unit if origin else "",
        source=origin.source if origin else "",
    )


def _with_log10(table: MoleculeTable, task: str, offset: float) -> MoleculeTable:
    own = table.of(task)
    origins = dict(table.origins)
    if task in origins:
        origins[task] = replace(origins[task], unit=f"log10({origins[task].unit})")
    labelled = {**table.labelled, task: own.mapped(log10_labels(task, own.values, offset))}
    return replace(table, labelled=labelled, origins=origins)
