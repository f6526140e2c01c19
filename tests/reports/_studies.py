"""Study folders and traces made of random gradients, for the report to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gradprobe.geometry import Gramian, Group
from gradprobe.records.cell import CellFailure, CellProgress, CellStamp, stamp_files
from gradprobe.records.compare import (
    CellKey,
    CellMetrics,
    MetricRow,
    StudyManifest,
    TaskEntry,
)
from gradprobe.records.folder import StudyFolder
from gradprobe.records.manifest import identify
from gradprobe.records.record import write_record
from gradprobe.trace import GramianRecord, QuantityRecord, Trace, TraceHeader

TASKS = ("flash point", "boiling point", "density", "logP")
LAYERS = ("encoder.0", "encoder.2")
SIZES = (60, 40)


def gramian(
    tasks: Sequence[str],
    generator: np.random.Generator,
    *,
    shared: float = 0.3,
    folds: bool = False,
    zero: Sequence[str] = (),
    noise: float = 1.0,
) -> Gramian:
    """The Gramian of random gradients with a common part of relative length `shared`.

    `noise=0` leaves every task the same gradient, on which no combiner has leverage.
    """
    groups = tuple(Group(task, fold) for task in tasks for fold in (("A", "B") if folds else ("",)))
    values = []
    for size in SIZES:
        common = generator.normal(size=size)
        rows = shared * common + noise * generator.normal(size=(len(groups), size))
        rows[[group.task in zero for group in groups]] = 0.0
        values.append(rows @ rows.T)
    return Gramian(groups, LAYERS, np.stack(values), tuple(8 for _ in groups), SIZES)


def header(tasks: Sequence[str] = TASKS, **changes: object) -> TraceHeader:
    known = {
        "focal": tasks[0],
        "tasks": tuple(tasks),
        "layers": LAYERS,
        "parameters": SIZES,
        "every": 10,
        "batches": "balanced: 32 molecules a task and step",
        "seed": 0,
        "dtype": "float32",
        "device": "cpu",
        "versions": {"gradprobe": "0.1.0", "torch": "2.13.0"},
    }
    return TraceHeader(**{**known, **changes})  # type: ignore[arg-type]


def fill(
    trace: Trace, *, seed: int = 0, steps: int = 12, tasks: Sequence[str] = TASKS, **options: object
) -> Trace:
    """Append `steps` minibatch measurements, held-out and train ones, and an effective rank."""
    generator = np.random.default_rng(seed)

    def add(step: int, split: str, **more: object) -> None:
        made = gramian(tasks, generator, **{**options, **more})  # type: ignore[arg-type]
        losses = np.ones(len(made.groups))
        trace.append(GramianRecord(step, split, "loop", made, losses, epoch=0))  # type: ignore[arg-type]

    add(-1, "heldout", shared=0.5)
    add(-1, "train", shared=0.5)
    for step in range(0, 10 * steps, 10):
        add(step, "minibatch")
        if step % 40 == 30:
            add(step, "heldout", shared=0.8)
    if steps:
        add(10 * steps, "train", shared=0.8)
    for step in (-1, 10 * steps):
        for name, value in (
            ("effective_rank", 20.0 - step / 150 + seed),
            ("effective_rank_centred", 25.0 + seed),
            ("representation_rows", 200.0),
            ("representation_width", 64.0),
        ):
            trace.append(QuantityRecord(step, "heldout", name, value))
    return trace


def trace_in_memory(**options: object) -> Trace:
    tasks = options.get("tasks", TASKS)
    return fill(Trace(header=header(tasks)), **options)  # type: ignore[arg-type]


def manifest(
    *,
    tasks: Sequence[str] = TASKS,
    encoders: Sequence[str] = ("mlp", "dmpnn"),
    combiners: Sequence[str] = ("single_task", "average", "pcgrad", "rcgrad"),
    seeds: int = 3,
    kind: str = "regression",
    options: Mapping[str, object] | None = None,
) -> StudyManifest:
    cells = tuple(
        CellKey(encoder=encoder, combiner=combiner, seed=seed)
        for seed in range(seeds)
        for encoder in encoders
        for combiner in combiners
    )
    return StudyManifest(
        digest=identify("compare", {}),
        command="gradprobe compare table.csv --focal 'flash point'",
        table="table.csv",
        data_digest="a" * 64,
        molecules=1234,
        merged=5,
        skipped=2,
        focal=tasks[0],
        tasks=tuple(TaskEntry(name=task, kind=kind, n=100 + i) for i, task in enumerate(tasks)),  # type: ignore[arg-type]
        encoders=tuple(encoders),
        combiners=tuple(combiners),
        seeds=tuple(range(seeds)),
        options=dict(options or {"epochs": 3, "batch_size": 32}),
        versions={"gradprobe": "0.1.0", "torch": "2.13.0"},
        created="2025-01-01T00:00:00+00:00",
        cells=cells,
    )


# Focal score relative to averaging's: rcgrad gains on dmpnn, on every seed about the same.
GAINS = {("dmpnn", "rcgrad"): -0.05, ("mlp", "single_task"): 0.08, ("dmpnn", "single_task"): 0.1}


def score(key: CellKey) -> float:
    wobble = np.random.default_rng([key.seed, *key.id.encode()]).normal() * 0.004
    return 0.6 + 0.02 * key.seed + GAINS.get((key.encoder, key.combiner), 0.0) + wobble


def finish(folder: StudyFolder, key: CellKey, tasks: Sequence[str], value: float | None = None) -> None:
    focal = score(key) if value is None else value
    rows = [
        MetricRow(
            task=task,
            split="test",
            n=20,
            rae=focal if task == tasks[0] else 0.7,
            mae=1.0,
            r2=0.5,
            auroc=focal,
        )
        for task in (tasks[:1] if key.combiner == "single_task" else tasks)
    ]
    metrics = CellMetrics(
        key=key,
        trunk_parameters=100,
        epochs=3,
        best_epoch=2,
        steps=120,
        seconds=1.0,
        criterion="rae",
        metrics=tuple(rows),
        history=(),
    )
    write_record(folder.cell(key) / "metrics.json", metrics)
    seal(folder, key)


def seal(folder: StudyFolder, key: CellKey) -> None:
    """Give a cell the stamp of a finished one, with the checksums of what it holds now."""
    files = stamp_files(folder.cell(key))
    stamp = CellStamp(study=identify("compare", {}), cell=key.id, run="r", files=files)
    write_record(folder.cell(key) / "cell.json", stamp)


def study(
    path: Path,
    *,
    failed: Sequence[str] = (),
    running: Sequence[str] = (),
    waiting: Sequence[str] = (),
    trace_options: Mapping[str, Mapping[str, object]] | None = None,
    scores: Mapping[str, float] | None = None,
    **description: object,
) -> Path:
    """A study folder; cells named in `failed`, `running` and `waiting` have no result.

    `trace_options` are options of `fill` by encoder; `scores` focal scores by cell.
    """
    folder = StudyFolder.at(path)
    made = manifest(**description)  # type: ignore[arg-type]
    tasks = tuple(task.name for task in made.tasks)
    write_record(folder.manifest, made.sealed())
    for key in made.cells:
        if key.id in waiting:
            continue
        stamp = CellStamp(study=made.digest, cell=key.id, run="r")
        write_record(folder.cell(key) / "cell.json", stamp)
        write_record(folder.cell(key) / "progress.json", CellProgress(epoch=0, epochs=3, step=40, loss=1.0))
        if key.combiner != "single_task":
            options = {"tasks": tasks, "seed": key.seed, **(trace_options or {}).get(key.encoder, {})}
            with Trace(folder.trace(key), header(tasks)) as trace:
                fill(trace, **options)  # type: ignore[arg-type]
        if key.id in failed:
            error = f"losses: expected finite losses, got NaN for {tasks[0]!r} at step 40"
            write_record(folder.cell(key) / "failed.json", CellFailure(error=error))
        elif key.id not in running:
            finish(folder, key, tasks, (scores or {}).get(key.id))
    return path
