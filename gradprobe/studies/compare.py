"""The study of gradprobe compare: from a configuration and a table to the cells of a study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.data import MoleculeTable, check_tasks, load_table, split_molecules, write_skipped
from gradprobe.errors import InputError
from gradprobe.records.compare import SINGLE_TASK, CellKey, CellMetrics, StudyManifest, TaskEntry
from gradprobe.records.kinds import COMPARE
from gradprobe.records.older import compare_identity
from gradprobe.studies.compare_cell import CompareWork
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.opening import Compatible
from gradprobe.studies.plan import Plan, plan_cells

_PACKAGES = (
    "gradprobe",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "rdkit",
    "chemprop",
    "torch-geometric",
    "chemicals",
)
ComparePlan = Plan[StudyManifest, CellKey, CellMetrics]


def plan_study(config: StudyConfig, out: str | Path, *, command: Sequence[str] | None = None) -> ComparePlan:
    """Read and check the table, and open the study's folder or resume the same study there.

    The same study may be asked for with other seeds, encoders and combiners, or with the focal task
    alone: its finished cells are kept and the missing ones run.

    Raises:
        InputError: the table or a task cannot be used, no seed gives three splits, the folder holds
            another study, is being written by another process or cannot be written.
    """
    table = _checked_table(config)
    options = config.model_dump(mode="json")
    plan = plan_cells(
        COMPARE,
        out,
        identity=compare_identity(options, table.digest),
        options=options,
        cells=_cells(config),
        work=CompareWork(config, table),
        packages=_PACKAGES,
        command=command,
        compatible=Compatible(defaults=_defaults(), aliases={"table": _older_digest(table)}),
        table=config.table,
        data_digest=table.digest,
        molecules=len(table.smiles),
        merged=table.merged,
        skipped=len(table.skipped),
        focal=config.focal,
        tasks=tuple(
            TaskEntry(name=task, kind=table.kinds[task], n=table.count(task)) for task in table.tasks
        ),
        encoders=config.encoders,
        combiners=(*((SINGLE_TASK,) if config.single_task else ()), *config.combiners),
        seeds=tuple(range(config.seeds)),
    )
    if table.skipped:
        write_skipped(table, plan.folder.path / "skipped.csv")
    return plan


def _checked_table(config: StudyConfig) -> MoleculeTable:
    wanted = (config.focal, *config.aux) if config.aux else None
    table = load_table(config.table, smiles=config.smiles, tasks=wanted, log10=config.log10)
    check_tasks(table, config.focal)
    ordered = table.select((config.focal, *(task for task in table.tasks if task != config.focal)))
    _check_splits(config, ordered)
    return ordered


def _check_splits(config: StudyConfig, table: MoleculeTable) -> None:
    """Refuse a table that no seed can split; where only some cannot, their cells fail and the rest run."""
    complaint: InputError | None = None
    for seed in range(config.seeds):
        try:
            split_molecules(table, kind=config.split, seed=seed, focal=config.focal)
        except InputError as error:
            complaint = error
        else:
            return
    if complaint is not None:
        raise complaint


def _cells(config: StudyConfig) -> tuple[CellKey, ...]:
    names = (*((SINGLE_TASK,) if config.single_task else ()), *config.combiners)
    # Seeds change slowest, so that an interrupted study has compared something.
    return tuple(
        CellKey(encoder=encoder, combiner=combiner, seed=seed)
        for seed in range(config.seeds)
        for encoder in config.encoders
        for combiner in names
    )


def _defaults() -> dict[str, Any]:
    """The options as they are when nobody names them: folders of versions without one of them had these."""
    fields = StudyConfig.model_fields.items()
    return {name: option.get_default(call_default_factory=True) for name, option in fields}


def _older_digest(table: MoleculeTable) -> str:
    """The digest of a table as version 0.1.0 computed it, from a dense matrix of labels."""
    head = {"smiles": table.smiles, "tasks": [[task, table.kinds[task]] for task in table.tasks]}
    labels = np.column_stack([table.column(task) for task in table.tasks])
    # One NaN for all: the bits of a missing label depend on how it was computed.
    plain = np.where(np.isnan(labels), np.nan, labels).astype("<f8")
    return hashlib.sha256(json.dumps(head).encode() + b"\n" + plain.tobytes()).hexdigest()
