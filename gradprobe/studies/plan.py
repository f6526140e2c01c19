"""From a configuration and a table to the cells of a study."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gradprobe.data import MoleculeTable, check_tasks, load_table, split_molecules, write_skipped
from gradprobe.errors import InputError
from gradprobe.records.compare import (
    SINGLE_TASK,
    CellKey,
    StudyFolder,
    StudyManifest,
    TaskEntry,
    read_manifest,
    write_record,
)
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.versions import versions

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

# These say which cells a study has, not what a cell does: a study may go on with others of them.
_EXTENSIBLE = frozenset({"encoders", "combiners", "seeds", "single_task"})


@dataclass(frozen=True)
class Plan:
    """A study ready to run: its table, its folder and its cells."""

    config: StudyConfig
    table: MoleculeTable
    folder: StudyFolder
    manifest: StudyManifest


def plan_study(config: StudyConfig, out: str | Path, *, command: Sequence[str] | None = None) -> Plan:
    """Read and check the table, and open the study's folder or go on with the same study there.

    The same study may be asked for with other seeds, encoders and combiners, or with the focal task
    alone: its finished cells are kept and the missing ones run.

    Raises:
        InputError: the table or a task cannot be used, no seed gives three folds, the folder holds
            another study or cannot be written.
    """
    table = _checked_table(config)
    folder = StudyFolder.at(out)
    manifest = _describe(config, table, " ".join(sys.argv if command is None else command))
    if folder.manifest.exists():
        _check_same_study(read_manifest(out), manifest, out)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_record(folder.manifest, manifest)
        if table.skipped:
            write_skipped(table, folder.path / "skipped.csv")
    except OSError as error:
        raise InputError(
            f"out: expected a folder that can be written, got {out} ({error.strerror})"
        ) from error
    return Plan(config, table, folder, manifest)


def _checked_table(config: StudyConfig) -> MoleculeTable:
    wanted = (config.focal, *config.aux) if config.aux else None
    table = load_table(config.table, smiles=config.smiles, tasks=wanted, log10=config.log10)
    check_tasks(table, config.focal)
    ordered = table.select((config.focal, *(task for task in table.tasks if task != config.focal)))
    _check_splits(config, ordered)
    return ordered


def _check_splits(config: StudyConfig, table: MoleculeTable) -> None:
    """Refuse a table that no seed can split; where only some cannot, their cells fail and the rest go on."""
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


def _describe(config: StudyConfig, table: MoleculeTable, command: str) -> StudyManifest:
    options = config.model_dump(mode="json")
    shared = {name: value for name, value in options.items() if name not in _EXTENSIBLE}
    identity = json.dumps({"options": shared | {"table": table.digest}}, sort_keys=True)
    return StudyManifest(
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        command=command,
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
        options=options,
        versions=versions(_PACKAGES),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        cells=_cells(config),
    )


def _check_same_study(found: StudyManifest, wanted: StudyManifest, out: str | Path) -> None:
    if found.digest == wanted.digest:
        return
    changed = [
        key
        for key, value in wanted.options.items()
        if key not in _EXTENSIBLE and found.options.get(key) != value
    ]
    if found.data_digest != wanted.data_digest:
        changed.append("the data")
    raise InputError(
        f"out: expected a new folder or the same study, got {out}, whose study differs in "
        f"{', '.join(changed)}; name another folder with --out"
    )
