"""The audit of a table: its columns, labels, splits, and what may be wrong."""

from __future__ import annotations

import numpy as np

from gradprobe.data.audit.alike import LEAST_SHARED, correlation, near_copies
from gradprobe.data.audit.model import Audit, ColumnAudit, SplitCounts, TaskAudit
from gradprobe.data.columns import ColumnDecision
from gradprobe.data.options import TableOptions
from gradprobe.data.splits import SplitKind, SplitName, Splits, split_molecules, task_rows
from gradprobe.data.standardize import parent_keys
from gradprobe.data.table import MoleculeTable, Repeats
from gradprobe.errors import InputError

# Parents of more molecules than this take minutes.
_MOST_PARENTS = 30_000
_APART = 3.0


def audit_table(
    table: MoleculeTable,
    *,
    source: str = "",
    focal: str = "",
    kind: SplitKind = "random",
    seed: int = 0,
    options: TableOptions | None = None,
    cost: tuple[str, ...] = (),
) -> Audit:
    """What a table holds, how one split of it looks, and what may be wrong with it.

    `focal` is the task that the others are compared with (empty: none). `options` are those it was read with.

    Raises:
        InputError: there is no such focal task, or the table cannot be split that way.
    """
    options = options or TableOptions()
    if focal and focal not in table.tasks:
        table.of(focal)
    splits = split_molecules(table, kind=kind, seed=seed)
    tasks = tuple(_task(table, task, splits, focal) for task in table.tasks)
    shared = _parents_in_train(table, splits)
    return Audit(
        table=source,
        molecules=len(table.smiles),
        merged=table.merged,
        skipped=len(table.skipped),
        first_skipped=_first_skipped(table),
        notes=table.notes,
        standardize=options.standardize,
        duplicates=options.duplicates,
        censored=options.censored,
        focal=focal,
        split=kind,
        seed=seed,
        test_molecules=len(splits.test),
        parents_in_train=shared,
        columns=tuple(_column(decision) for decision in table.decisions),
        tasks=tasks,
        warnings=(*_warnings(table, splits, shared), *near_copies(table, focal)),
        cost=cost,
    )


def _column(decision: ColumnDecision) -> ColumnAudit:
    return ColumnAudit(column=decision.column, used=decision.used, decision=decision.sentence())


def _task(table: MoleculeTable, task: str, splits: Splits, focal: str) -> TaskAudit:
    exact = table.of(task).exact
    classes = table.kinds[task] == "classification"
    repeats = table.repeats.get(task, Repeats(0))
    shared, alike = correlation(table.of(focal), table.of(task)) if focal and task != focal else (None, None)
    origin = table.origins.get(task)
    return TaskAudit(
        task=task,
        kind=table.kinds[task],
        unit=origin.unit if origin else "",
        labels=len(exact),
        positives=int(exact.sum()) if classes else None,
        minimum=float(exact.min()) if len(exact) else None,
        median=float(np.median(exact)) if len(exact) else None,
        maximum=float(exact.max()) if len(exact) else None,
        outliers=0 if classes else _outliers(exact),
        bounds=table.censored.get(task, 0),
        repeated=repeats.molecules,
        contradicting=repeats.left_out,
        spread=repeats.spread,
        threefold=repeats.threefold,
        train=_counts_in(table, task, splits, "train"),
        validation=_counts_in(table, task, splits, "validation"),
        test=_counts_in(table, task, splits, "test"),
        shared=shared,
        correlation=alike,
    )


def _counts_in(table: MoleculeTable, task: str, splits: Splits, split: SplitName) -> SplitCounts:
    values, bounds = table.of(task).at(task_rows(table, splits, task, split))
    exact = values[bounds == 0]
    positives = int(exact.sum()) if table.kinds[task] == "classification" else None
    return SplitCounts(labels=len(exact), positives=positives)


def _outliers(labels: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
    if len(labels) < LEAST_SHARED:
        return 0
    low, high = np.quantile(labels, [0.25, 0.75])
    width = _APART * (high - low)
    return int(((labels < low - width) | (labels > high + width)).sum()) if width else 0


def _parents_in_train(table: MoleculeTable, splits: Splits) -> int | None:
    if len(table.smiles) > _MOST_PARENTS:
        return None
    try:
        keys = parent_keys(table.smiles)
    except InputError:
        return None
    train = {keys[row] for row in splits.train}
    return sum(keys[row] in train for row in splits.test)


def _first_skipped(table: MoleculeTable) -> str:
    if not table.skipped:
        return ""
    first = table.skipped[0]
    return f"row {first.row}, {first.smiles[:60]!r}: {first.reason}"


def _warnings(table: MoleculeTable, splits: Splits, shared: int | None) -> list[str]:
    said = [
        f"{decision.column!r}: {warning}"
        for decision in table.decisions
        if decision.used
        for warning in decision.warnings
    ]
    if len(table.skipped) > len(table.smiles):
        said.append(
            f"{len(table.skipped)} rows have no readable SMILES, more than the molecules that are left"
        )
    if shared is not None and len(splits.test) and shared > 0.02 * len(splits.test):
        said.append(
            f"{shared} of {len(splits.test)} test molecules have a salt or stereoisomer in the train split: "
            "--split parent keeps them together"
        )
    for task in table.tasks:
        if table.kinds[task] == "classification":
            counts = _counts_in(table, task, splits, "test")
            if counts.labels and counts.positives in (0, counts.labels):
                said.append(
                    f"{task!r} has one class only in the test split: AUROC is undefined there; "
                    f"--stratify {task} gives each split its share"
                )
    return said
