"""One table from columns of several files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradprobe.data.formats import stem_of
from gradprobe.data.log10 import log10_offsets
from gradprobe.data.options import TableOptions
from gradprobe.data.reading import read_table
from gradprobe.data.suggest import listed
from gradprobe.data.table import MoleculeTable
from gradprobe.data.task_labels import TaskLabels
from gradprobe.errors import InputError


def join_tables(
    paths: Sequence[str | Path],
    *,
    values: Sequence[str] = (),
    smiles: str | None = None,
    log10: Sequence[str] = (),
    options: TableOptions | None = None,
) -> MoleculeTable:
    """The molecules of several files, with one task for each column of labels taken from them.

    A path may name its column after a colon (`a.csv:pIC50`), and come again with another; `values` are the
    columns of those that do not. An outer join on canonical SMILES: a molecule carries the labels of every
    file that has it. Repeats within a file are merged as in `read_table`. A task is named after its file
    (`caco2.csv`: `caco2`), with several value columns after both (`caco2.Y`); with a colon after its column,
    or after both where two files have a column of that name. `log10` names tasks to take the decimal
    logarithm of, as `TASK` or `TASK:OFFSET`. `smiles` is the column of SMILES; None finds it in each file.
    Skipped and merged rows add up.

    Raises:
        InputError: no files or columns, two tasks of one name, or a file that `read_table` refuses.
    """
    sources = _grouped([_source(path, values) for path in paths])
    if not sources or any(not source.columns for source in sources):
        raise InputError(
            f"join: expected files and a value column, got {len(sources)} files and {len(values)} columns; "
            "name a column with --value or after the file and a colon"
        )
    tasks = _task_names(sources)
    offsets = log10_offsets(log10, [task for own in tasks for task in own])
    tables = [
        read_table(
            source.path,
            smiles=smiles,
            tasks=source.columns,
            log10=[
                f"{column}:{offsets[task]!r}"
                for column, task in zip(source.columns, own, strict=True)
                if task in offsets
            ],
            options=options,
        )
        for source, own in zip(sources, tasks, strict=True)
    ]
    notes = [
        f"{source.path.name}: {note}"
        for source, table in zip(sources, tables, strict=True)
        for note in (*table.notes, *_said_of(table))
    ]
    return replace(_outer_join(tables, tasks), notes=tuple(notes))


def files_of(paths: Sequence[str | Path]) -> list[Path]:
    """The files that paths, with or without a column after a colon, name."""
    return [_source(path, ()).path for path in paths]


@dataclass(frozen=True)
class _Source:
    """A file, the columns to take from it, and whether the path itself named one."""

    path: Path
    columns: tuple[str, ...]
    named: bool


def _source(path: str | Path, values: Sequence[str]) -> _Source:
    whole, (before, colon, column) = Path(path), str(path).rpartition(":")
    if colon and column and not whole.exists() and Path(before).exists():
        return _Source(Path(before), (column,), named=True)
    return _Source(whole, tuple(dict.fromkeys(values)), named=False)


def _grouped(sources: Sequence[_Source]) -> list[_Source]:
    """One source a file that was named with several columns, so that it is read once."""
    columns: dict[Path, dict[str, None]] = {}
    for source in sources:
        if source.named:
            columns.setdefault(source.path, {}).update(dict.fromkeys(source.columns))
    grouped = {path: _Source(path, tuple(own), named=True) for path, own in columns.items()}
    # A file named without a column stays as it is: named twice, its task is too, which is refused.
    return list(
        {
            id(chosen): chosen
            for source in sources
            for chosen in [grouped[source.path] if source.named else source]
        }.values()
    )


def _task_names(sources: Sequence[_Source]) -> list[tuple[str, ...]]:
    """The task that each column of each file becomes."""
    shared = Counter(column for source in sources if source.named for column in source.columns)
    names = []
    for source in sources:
        stem = stem_of(source.path)
        if source.named:
            names.append(
                tuple(f"{stem}.{column}" if shared[column] > 1 else column for column in source.columns)
            )
        else:
            names.append(
                (stem,) if len(source.columns) == 1 else tuple(f"{stem}.{c}" for c in source.columns)
            )
    repeated = [task for task, count in Counter(task for own in names for task in own).items() if count > 1]
    if repeated:
        raise InputError(f"join: expected distinct file names, got {listed(repeated)} twice; rename a file")
    return names


def _said_of(table: MoleculeTable) -> list[str]:
    """A line for every column taken whose cells had to be converted, or that may be wrong."""
    return [
        f"{decision.column}: {decision.sentence()}"
        for decision in table.decisions
        if decision.column in table.tasks and (decision.conversions or decision.warnings)
    ]


def _outer_join(tables: Sequence[MoleculeTable], tasks: Sequence[tuple[str, ...]]) -> MoleculeTable:
    molecules = dict.fromkeys(text for table in tables for text in table.smiles)
    position = {text: row for row, text in enumerate(molecules)}
    new_names = [dict(zip(table.tasks, own, strict=True)) for table, own in zip(tables, tasks, strict=True)]
    joined = list(zip(tables, new_names, strict=True))
    return MoleculeTable(
        smiles=tuple(position),
        labelled={
            names[task]: _moved(table.of(task), table, position)
            for table, names in joined
            for task in table.tasks
        },
        kinds={names[task]: table.kinds[task] for table, names in joined for task in table.tasks},
        skipped=tuple(row for table in tables for row in table.skipped),
        merged=sum(table.merged for table in tables),
        conflicts={names[task]: count for table, names in joined for task, count in table.conflicts.items()},
        origins={names[task]: origin for table, names in joined for task, origin in table.origins.items()},
        repeats={names[task]: found for table, names in joined for task, found in table.repeats.items()},
        censored={names[task]: count for table, names in joined for task, count in table.censored.items()},
    )


def _moved(labels: TaskLabels, table: MoleculeTable, position: dict[str, int]) -> TaskLabels:
    rows = np.array([position[table.smiles[row]] for row in labels.rows], dtype=np.intp)
    order = np.argsort(rows)
    return TaskLabels(rows[order], labels.values[order], labels.bounds[order])
