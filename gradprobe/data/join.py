"""One table from files that each hold one task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradprobe.data.files import stem_of
from gradprobe.data.reading import read_table
from gradprobe.data.suggest import listed
from gradprobe.data.table import MoleculeTable
from gradprobe.errors import InputError


def join_tables(
    paths: Sequence[str | Path], *, smiles: str, values: Sequence[str], log10: Sequence[str] = ()
) -> MoleculeTable:
    """The molecules of several files, with one task for each file and value column.

    An outer join on canonical SMILES: a molecule carries the labels of every file that has it.
    Repeats within a file are merged as in `read_table`. A task is named after its file (`caco2.csv`:
    `caco2`), with several value columns after both (`caco2.Y`). `log10` names tasks to take the
    decimal logarithm of. Skipped and merged rows add up.

    Raises:
        InputError: no files, two of one name, or a file that `read_table` refuses.
    """
    files = [Path(path) for path in paths]
    names = {file: _task_names(file, values) for file in files}
    tasks = [task for file in files for task in names[file].values()]
    _check_names(files, values, tasks, log10)
    tables = [
        read_table(
            file,
            smiles=smiles,
            tasks=list(names[file]),
            log10=[column for column, task in names[file].items() if task in log10],
        )
        for file in files
    ]
    return _outer_join(tables, tasks)


def _task_names(file: Path, values: Sequence[str]) -> dict[str, str]:
    """The task that each value column of a file becomes."""
    stem = stem_of(file)
    return {column: stem if len(values) == 1 else f"{stem}.{column}" for column in values}


def _outer_join(tables: Sequence[MoleculeTable], tasks: Sequence[str]) -> MoleculeTable:
    molecules = dict.fromkeys(text for table in tables for text in table.smiles)
    position = {text: row for row, text in enumerate(molecules)}
    labels = np.full((len(position), len(tasks)), np.nan)
    column = 0
    kinds = {}
    conflicts = {}
    for table in tables:
        rows = [position[text] for text in table.smiles]
        for name in table.tasks:
            task = tasks[column]
            labels[rows, column] = table.column(name)
            kinds[task] = table.kinds[name]
            if name in table.conflicts:
                conflicts[task] = table.conflicts[name]
            column += 1
    return MoleculeTable(
        smiles=tuple(position),
        tasks=tuple(tasks),
        labels=labels,
        kinds=kinds,
        skipped=tuple(row for table in tables for row in table.skipped),
        merged=sum(table.merged for table in tables),
        conflicts=conflicts,
    )


def _check_names(
    files: Sequence[Path], values: Sequence[str], tasks: Sequence[str], log10: Sequence[str]
) -> None:
    if not files or not values:
        raise InputError(f"join: expected files and a value column, got {len(files)} and {len(values)}")
    repeated = [task for task, count in Counter(tasks).items() if count > 1]
    if repeated:
        raise InputError(f"join: expected distinct file names, got {listed(repeated)} twice; rename a file")
    unknown = [name for name in log10 if name not in tasks]
    if unknown:
        raise InputError(f"log10: expected some of the tasks {listed(tasks)}, got {listed(unknown)}")
