"""A file to a table of molecules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradprobe.data.basis import split_basis_of
from gradprobe.data.columns import ColumnDecision, Columns, read_columns
from gradprobe.data.columns.understand import Understood
from gradprobe.data.formats import RawTable, read_cells
from gradprobe.data.formats.raw import Progress, is_filled_cell
from gradprobe.data.header import check_columns, check_unnamed, smiles_place
from gradprobe.data.log10 import log10_labels, log10_offsets
from gradprobe.data.merging import conflicts_of, kind_of, merge_labels, molecules_of
from gradprobe.data.molecules import Unreadable
from gradprobe.data.options import TableOptions
from gradprobe.data.standardize import Standardization, parents
from gradprobe.data.suggest import listed
from gradprobe.data.table import MoleculeTable, Origin, Repeats, SkippedRow, TaskKind
from gradprobe.data.task_labels import EXACT, IntArray, TaskLabels
from gradprobe.errors import InputError

_REPORTED_EVERY = 2000


def read_table(
    path: str | Path,
    *,
    smiles: str | None = None,
    tasks: Sequence[str] | None = None,
    log10: Sequence[str] = (),
    options: TableOptions | None = None,
    progress: Progress | None = None,
) -> MoleculeTable:
    """The molecules of a table file and their labels, and in `decisions` what became of every column.

    Formats: CSV with commas, semicolons or tabs, Excel, SDF, Parquet, Feather, JSON lines (`formats`). SMILES
    are canonicalised; rows whose SMILES cannot be read are set aside in `skipped`, and rows of one molecule
    are merged. `smiles` names the column of SMILES; None: `smiles`, or else the only column with that word
    in its name. `tasks=None` takes every column that holds labels; columns that describe the row
    (identifiers, dates, standard errors) are left out unless named. A task whose labels are 0 and 1, or two
    answers such as yes and no, is a classification. Columns in `log10` (`COLUMN` or `COLUMN:OFFSET`) are
    replaced by their decimal logarithm, before repeats are merged.

    Raises:
        InputError: the file cannot be read, a named column is missing or holds no labels, labels without
            logarithm, or not one readable SMILES.
        MissingExtraError: RDKit, or what the format needs, is not installed.
    """
    path, options = Path(path), options or TableOptions()
    raw = read_cells(path, smiles=smiles, progress=progress)
    check_unnamed(raw, path)
    place = smiles_place(raw, smiles, path)
    offsets = log10_offsets(log10, [name for index, name in enumerate(raw.names) if index != place])
    if tasks is not None:
        _check_log10(offsets, tasks)
    wanted = (*(tasks or ()), *offsets, *options.classes)
    check_columns(
        raw, path, (*wanted, *options.exclude, *filter(None, (options.split_column, options.stratify)))
    )
    found = _readable(raw, place, path, options.standardize, progress)
    columns = read_columns(
        found.cells,
        place,
        wanted=(*wanted, *options.named),
        missing=options.missing,
        classes=options.classes,
        exclude=options.exclude,
        split_column=options.split_column,
    )
    return _table(path, found, columns, offsets, tasks, options)


@dataclass(frozen=True, eq=False)
class _Readable:
    """The rows whose SMILES can be read, their canonical SMILES, and the others."""

    cells: RawTable
    smiles: list[str]
    skipped: tuple[SkippedRow, ...]


def _table(
    path: Path,
    found: _Readable,
    columns: Columns,
    offsets: dict[str, float],
    tasks: Sequence[str] | None,
    options: TableOptions,
) -> MoleculeTable:
    position, rows = molecules_of(found.smiles)
    merged = {
        name: _merge(name, own, rows, offsets.get(name), options) for name, own in columns.labels.items()
    }
    decisions = _with_bounds(columns.decisions, merged, options)
    labelled = {name: task for name, task in merged.items() if len(task.labels.rows)}
    _check_labelled(path, decisions, labelled, tasks)
    _check_log10(offsets, list(labelled))
    table = MoleculeTable(
        smiles=tuple(position),
        labelled={name: task.labels for name, task in labelled.items()},
        kinds={name: task.kind for name, task in labelled.items()},
        skipped=found.skipped,
        merged=len(found.smiles) - len(position),
        conflicts=conflicts_of(
            {name: task.repeats for name, task in labelled.items()},
            {name: task.kind for name, task in labelled.items()},
        ),
        origins={
            name: Origin(unit, "")
            for name, own in columns.labels.items()
            if name in labelled and (unit := _unit(own.unit, offsets.get(name)))
        },
        repeats={name: task.repeats for name, task in labelled.items() if task.repeats.molecules},
        censored={name: task.bounds for name, task in labelled.items() if task.bounds},
        decisions=decisions,
        notes=found.cells.notes,
        basis=split_basis_of(
            tuple(position), rows, columns, labelled_by=options.stratify, column=options.split_column
        ),
    )
    return table.select(tuple(dict.fromkeys(tasks)) if tasks is not None else tuple(labelled))


@dataclass(frozen=True, eq=False)
class _Merged:
    labels: TaskLabels
    repeats: Repeats
    kind: TaskKind
    bounds: int


def _merge(
    name: str, own: Understood, rows: IntArray, offset: float | None, options: TableOptions
) -> _Merged:
    values, bounds = own.values, own.bounds
    censored = int(np.count_nonzero(bounds))
    kind = kind_of(values[bounds == EXACT]) if offset is None and not censored else "regression"
    if offset is not None:
        values = log10_labels(name, values, offset)
    if censored and options.censored == "drop":
        values = np.where(bounds == EXACT, values, np.nan)
    if censored and options.censored == "value":
        bounds = np.zeros_like(bounds)
    labels, repeats = merge_labels(rows, values, bounds, kind, options.duplicates)
    return _Merged(labels, repeats, kind, censored)


def _with_bounds(
    decisions: Sequence[ColumnDecision], merged: dict[str, _Merged], options: TableOptions
) -> tuple[ColumnDecision, ...]:
    """The decisions, with what became of bounds and of repeats that contradict each other."""
    done = {"drop": "left out", "value": "taken as measured", "loss": "kept for a one-sided loss"}
    completed = []
    for decision in decisions:
        task = merged.get(decision.column) if decision.role == "task" else None
        if task is None:
            completed.append(decision)
            continue
        said = []
        if task.bounds:
            said.append(f"{task.bounds} bounds such as <5 {done[options.censored]}")
        if task.repeats.molecules:
            said.append(f"{task.repeats.molecules} molecules with several labels ({_merging(task, options)})")
        if not len(task.labels.rows):
            reason = (
                "all of its labels are bounds such as <5: --censored value or loss uses them"
                if task.bounds
                else ("repeats contradict each other in all of its molecules")
            )
            decision = ColumnDecision(decision.column, "left out", reason)  # noqa: PLW2901
        else:
            decision = replace(decision, conversions=(*decision.conversions, *said))  # noqa: PLW2901
        completed.append(decision)
    return tuple(completed)


def _merging(task: _Merged, options: TableOptions) -> str:
    if task.kind == "classification":
        return f"{task.repeats.left_out} contradict each other and are left out"
    how = (
        "left out where they differ" if options.duplicates == "drop" else f"their {options.duplicates} taken"
    )
    return how + (f", {task.repeats.threefold} differ more than threefold" if task.repeats.threefold else "")


def _readable(
    raw: RawTable, place: int, path: Path, standardize: Standardization, progress: Progress | None
) -> _Readable:
    texts = [_smiles_text(cell) for cell in raw.columns[place]]
    distinct = list(dict.fromkeys(texts))
    canonical: dict[str, str | Unreadable] = {}
    for count, (text, found) in enumerate(zip(distinct, parents(distinct, standardize), strict=True)):
        canonical[text] = found
        if progress is not None and count % _REPORTED_EVERY == 0:
            progress("molecules", count, len(distinct))
    kept: list[int] = []
    skipped = []
    for row, text in enumerate(texts):
        outcome = canonical[text]
        if isinstance(outcome, Unreadable):
            skipped.append(SkippedRow(int(raw.rows[row]), text, outcome.reason, path.name))
        else:
            kept.append(row)
    if not kept:
        first = f", first {texts[0][:80]!r} ({skipped[0].reason})" if skipped else ""
        raise InputError(
            f"smiles: expected molecules in column {raw.names[place]!r} of {path}, got {len(texts)} rows and "
            f"no readable SMILES{first}; name the column that holds SMILES"
        )
    cells = replace(raw, columns=tuple(column[kept] for column in raw.columns), rows=raw.rows[kept])
    return _Readable(cells, [str(canonical[texts[row]]) for row in kept], tuple(skipped))


def _smiles_text(cell: object) -> str:
    return str(cell).strip() if is_filled_cell(cell) else ""


def _unit(unit: str, offset: float | None) -> str:
    if not unit or offset is None:
        return unit
    return f"log10({unit})" if not offset else f"log10({unit} + {offset:g})"


def _check_labelled(
    path: Path, decisions: Sequence[ColumnDecision], labelled: dict[str, _Merged], tasks: Sequence[str] | None
) -> None:
    for name in tasks or ():
        if name not in labelled:
            decision = next(decision for decision in decisions if decision.column == name)
            raise InputError(
                f"tasks: expected labels in column {name!r} of {path}, which is {decision.sentence()}"
                if not decision.used
                else f"tasks: expected labels in column {name!r} of {path}, got its {decision.role}"
            )
    if not labelled:
        reasons = [
            f"{decision.column!r} {decision.sentence()}" for decision in decisions if not decision.used
        ]
        raise InputError(
            f"tasks: expected at least one column of numbers in {path} beside the SMILES, got none among "
            f"{listed([decision.column for decision in decisions])}"
            + (f"; {'; '.join(reasons[:3])}" if reasons else "")
        )


def _check_log10(offsets: dict[str, float], tasks: Sequence[str]) -> None:
    for name in offsets:
        if name not in tasks:
            raise InputError(f"log10: expected some of the tasks {listed(tasks)}, got {name!r}")
