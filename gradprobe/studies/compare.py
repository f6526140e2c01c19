"""The study of gradprobe compare: from a configuration and a table to the cells of a study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.data import Audit, MoleculeTable, audit_table, load_table, split_molecules, write_skipped
from gradprobe.data.audit import AUDIT
from gradprobe.data.choosing import choose_tasks
from gradprobe.data.formats.raw import Progress
from gradprobe.errors import InputError
from gradprobe.records.claims import Claim
from gradprobe.records.compare import (
    AUXILIARIES,
    SINGLE_TASK,
    CellKey,
    CellMetrics,
    Scalar,
    StudyManifest,
    TaskEntry,
)
from gradprobe.records.kinds import COMPARE
from gradprobe.records.older import compare_identity
from gradprobe.records.writing import write_atomically
from gradprobe.studies.axes import Axes, cells, points, settled
from gradprobe.studies.compare_cell import CompareWork
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.cost import estimated_cost
from gradprobe.studies.opening import Compatible
from gradprobe.studies.order import kinships, ordered
from gradprobe.studies.plan import Plan, plan_cells
from gradprobe.studies.presets import claims_of, read_preset

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
# In the identity: by which rule molecules are dealt to random splits. Version 0.1.0 had rule 1 and no entry.
_RULE = "split_rule"
ComparePlan = Plan[StudyManifest, CellKey, CellMetrics]


def plan_study(
    config: StudyConfig,
    out: str | Path,
    *,
    command: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> ComparePlan:
    """Read and check the table, and open the study's folder or resume the same study there.

    The same study may be asked for with other seeds, encoders and combiners, along other axes, or with the
    focal task alone: its finished cells are kept and the missing ones run. What became of every column is
    written to audit.json. `progress` is told how far reading the table has come.

    Raises:
        InputError: the table or a task cannot be used, no seed gives three splits, the folder holds
            another study, is being written by another process or cannot be written.
    """
    table = _checked_table(config, progress)
    count = len(table.tasks) - 1
    axes, base = settled(config.axes, count), config.base(count)
    keys = cells(
        points(axes, base, one_at_a_time=config.one_at_a_time),
        seeds=config.seeds,
        encoders=config.encoders,
        combiners=config.combiners,
        single_task=config.single_task,
    )
    audit = _audit(config, table, keys)
    alone = any(key.combiner == SINGLE_TASK for key in keys)
    names = (*((SINGLE_TASK,) if alone else ()), *config.combiners)
    options = config.model_dump(mode="json")
    plan = plan_cells(
        COMPARE,
        out,
        identity=compare_identity(options, table.digest) | {_RULE: 2},
        options=options,
        cells=keys,
        work=CompareWork(config, table),
        packages=_PACKAGES,
        command=command,
        compatible=Compatible(
            defaults=_defaults() | {_RULE: 2}, aliases={"table": _older_digest(table), "smiles": "smiles"}
        ),
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
        combiners=names,
        seeds=tuple(range(config.seeds)),
        axes=axes,
        base=base,
        kinships=kinships(table) if AUXILIARIES in axes else (),
        claims=_claims(config, axes, base, names),
    )
    _check_rule_of_splits(plan, config)
    write_atomically(plan.folder.path / AUDIT, (audit.model_dump_json(indent=1) + "\n").encode())
    if table.skipped:
        write_skipped(table, plan.folder.path / "skipped.csv")
    return plan


def _claims(
    config: StudyConfig, axes: Axes, base: Mapping[str, Scalar], combiners: Sequence[str]
) -> tuple[Claim, ...]:
    if config.preset is None:
        return ()
    return claims_of(
        read_preset(config.preset), encoders=config.encoders, combiners=combiners, axes=axes, base=base
    )


def _checked_table(config: StudyConfig, progress: Progress | None) -> MoleculeTable:
    table = load_table(
        config.table,
        smiles=config.smiles,
        log10=config.log10,
        options=config.table_options(),
        progress=progress,
    )
    chosen = choose_tasks(
        table,
        config.focal,
        config.aux,
        min_labels=config.min_labels,
        kind=config.split,
        seeds=config.seeds,
    )
    _check_splits(config, chosen)
    return ordered(chosen, config.order)


def _audit(config: StudyConfig, table: MoleculeTable, keys: Sequence[CellKey]) -> Audit:
    """The audit of the split of the first seed that can be split."""
    seed = next(seed for seed in range(config.seeds) if _can_split(config, table, seed))
    return audit_table(
        table,
        source=config.table,
        focal=config.focal,
        kind=config.split,
        seed=seed,
        options=config.table_options(),
        cost=estimated_cost(config, table, keys),
    )


def _can_split(config: StudyConfig, table: MoleculeTable, seed: int) -> bool:
    try:
        split_molecules(table, kind=config.split, seed=seed, focal=config.focal)
    except InputError:
        return False
    return True


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


def _check_rule_of_splits(plan: ComparePlan, config: StudyConfig) -> None:
    """Refuse new cells in a folder whose random splits were drawn by version 0.1.0's rule."""
    if config.split != "random" or _RULE in plan.manifest.identity:
        return
    missing = [key for key in plan.cells if not (plan.folder.cell(key) / COMPARE.file).is_file()]
    if missing:
        raise InputError(
            f"out: expected a new folder, got {plan.folder.path}, a study of version 0.1.0 with "
            f"{len(missing)} cells to run; its random splits were drawn by another rule, so these would be "
            "tested on other molecules; name another folder with --out"
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
