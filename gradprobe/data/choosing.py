"""Which tasks of a table a study takes, and why it leaves the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradprobe.data.audit.alike import is_near_copy
from gradprobe.data.checks import MIN_LABELS, check_tasks, is_constant
from gradprobe.data.columns import ColumnDecision
from gradprobe.data.splits import SplitKind, split_molecules, task_rows
from gradprobe.data.table import MoleculeTable
from gradprobe.data.task_labels import EXACT
from gradprobe.errors import InputError


def choose_tasks(
    table: MoleculeTable,
    focal: str,
    aux: Sequence[str] = (),
    *,
    min_labels: int = MIN_LABELS,
    kind: SplitKind = "random",
    seeds: int = 1,
) -> MoleculeTable:
    """The table of the focal task and its auxiliaries, in that order, with a decision on every other column.

    Without `aux`, every other task is an auxiliary, less those with fewer than `min_labels` measured
    labels, with one value only (in the table, or in the train split of a seed below `seeds`), and copies of
    the focal task (correlation of 0.999 or more). Named auxiliaries are taken or refused, never left out.

    Raises:
        InputError: a named task is not there or was left out of the table, no auxiliary is left, or
            `check_tasks` refuses one.
    """
    for argument, name in (("focal", focal), *(("aux", name) for name in aux)):
        _check_there(table, argument, name)
    reasons = {} if aux else _unusable(table, focal, min_labels, kind, seeds)
    chosen = (focal, *dict.fromkeys(aux or (task for task in table.tasks if task not in (focal, *reasons))))
    if len(chosen) == 1 and reasons:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"tasks: expected at least two, got only {focal!r}; {name!r} was left out: {reason}")
    if aux:
        reasons = {task: "not asked for" for task in table.tasks if task not in chosen}
    # Fewer than the usual number only where the user says so; more is asked of auxiliaries alone.
    check_tasks(table.select(chosen), focal, min_labels=min(min_labels, MIN_LABELS))
    return replace(table.select(chosen), decisions=tuple(_decided(d, reasons) for d in table.decisions))


def _check_there(table: MoleculeTable, argument: str, name: str) -> None:
    if name in table.tasks:
        return
    left = next((decision for decision in table.decisions if decision.column == name), None)
    if left is not None:
        what = left.sentence() if not left.used else f"holds its {left.role}"
        raise InputError(
            f"{argument}: expected a column of labels, got {name!r}, which is in the table but {what}"
        )
    if argument == "focal":
        check_tasks(table, name)
    table.of(name)


def _unusable(
    table: MoleculeTable, focal: str, min_labels: int, kind: SplitKind, seeds: int
) -> dict[str, str]:
    """The tasks that are no auxiliaries unless named, with the reason."""
    trains = []
    for seed in range(seeds):
        try:
            trains.append((seed, split_molecules(table, kind=kind, seed=seed)))
        except InputError:
            continue  # said where the study checks its splits
    reasons = {}
    for task in table.tasks:
        if task == focal:
            continue
        labels = table.of(task).exact
        if len(labels) < min_labels:
            reasons[task] = f"{len(labels)} labels, fewer than --min-labels {min_labels}"
        elif is_constant(labels):
            reasons[task] = f"all its labels are {labels[0]:g}"
        elif (near := is_near_copy(table.of(focal), table.of(task))) is not None:
            reasons[task] = (
                f"nearly the focal task itself (correlation {near:.4f}); name it with --aux to use it"
            )
        else:
            for seed, splits in trains:
                values, bounds = table.of(task).at(task_rows(table, splits, task, "train"))
                if is_constant(values[bounds == EXACT]):
                    reasons[task] = f"one value only in the train split of seed {seed}"
                    break
    return reasons


def _decided(decision: ColumnDecision, reasons: dict[str, str]) -> ColumnDecision:
    if decision.role != "task" or decision.column not in reasons:
        return decision
    return ColumnDecision(decision.column, "left out", reasons[decision.column])
