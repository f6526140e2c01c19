"""One cell of a study: one encoder, one combiner, one seed, trained, probed and scored."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.data import split_molecules
from gradprobe.encoders import ENCODERS, Features
from gradprobe.errors import reason_for
from gradprobe.records.compare import (
    SINGLE_TASK,
    CellFailure,
    CellKey,
    CellMetrics,
    CellProgress,
    EpochRow,
    MetricRow,
    read_record,
    write_record,
)
from gradprobe.studies.plan import Plan
from gradprobe.training import (
    Metrics,
    MultiTaskModel,
    ProbeObserver,
    TrainingData,
    TrainingOptions,
    TrainingResult,
    build_model,
    evaluate,
    make_batches,
    train,
)

# Writing progress more often would only wear the disk.
_PROGRESS_SECONDS = 0.5


def is_finished(plan: Plan, key: CellKey) -> bool:
    """Whether a cell's metrics are on disk and whole."""
    return read_record(plan.folder.cell(key) / "metrics.json", CellMetrics) is not None


def prepare_features(plan: Plan) -> None:
    """Featurise the molecules for every encoder, so that cells side by side only read the cache."""
    for name in plan.config.encoders:
        _features(plan, name)


def run_cell(plan: Plan, key: CellKey) -> CellKey:
    """Train, probe and score one cell; whatever goes wrong is written to its folder, not raised."""
    folder = plan.folder.cell(key)
    shutil.rmtree(folder, ignore_errors=True)
    write_record(folder / "cell.json", key)
    try:
        write_record(folder / "metrics.json", _run(plan, key))
    except Exception as error:  # the study goes on, and the reason is kept
        write_record(folder / "failed.json", CellFailure(key=key, error=reason_for(error)))
    return key


def _run(plan: Plan, key: CellKey) -> CellMetrics:
    data = _training_data(plan, key)
    spec, options = ENCODERS[key.encoder], _encoder_options(plan, key.encoder)
    model = build_model(lambda: spec.build(options, data.features), data.tasks, seed=key.seed)
    observer = None if key.combiner == SINGLE_TASK else _observer(plan, key, model, data)
    try:
        result = train(
            model,
            data,
            _combiner(plan, key),
            options=_training_options(plan),
            seed=key.seed,
            observer=observer,
            progress=_ProgressFile(plan, key),
        )
    finally:
        if observer is not None:
            observer.close()
    return _metrics(key, model, data, result)


def _training_data(plan: Plan, key: CellKey) -> TrainingData:
    split = split_molecules(plan.table, kind=plan.config.split, seed=key.seed, focal=plan.config.focal)
    features = _features(plan, key.encoder)
    features.fit(split.train)
    data = TrainingData.from_table(plan.table, split, features=features, focal=plan.config.focal)
    return data.focal_alone() if key.combiner == SINGLE_TASK else data


def _observer(plan: Plan, key: CellKey, model: MultiTaskModel, data: TrainingData) -> ProbeObserver:
    config = plan.config
    batches = make_batches(
        config.batching, data.rows["train"], focal=data.focal, batch_size=config.batch_size, seed=key.seed
    )
    return ProbeObserver(
        model,
        data,
        probe_every=config.probe_every,
        heldout_every=config.heldout_every,
        seed=key.seed,
        rows=config.probe_rows,
        heldout_rows=config.batch_size if config.heldout_rows is None else config.heldout_rows,
        batches=f"{batches.description}; {config.batch_size} a step",
        out=plan.folder.trace(key),
    )


def _features(plan: Plan, encoder: str) -> Features:
    options = _encoder_options(plan, encoder)
    return ENCODERS[encoder].featurise(plan.table.smiles, options, plan.folder.path / "cache")


def _encoder_options(plan: Plan, encoder: str) -> Any:
    return ENCODERS[encoder].options(**plan.config.encoder_options.get(encoder, {}))


def _combiner(plan: Plan, key: CellKey) -> Combiner:
    if key.combiner == SINGLE_TASK:
        return combiners.get("average")
    options = plan.config.combiner_options.get(key.combiner, {})
    if "seed" in combiners.options_of(key.combiner):
        # Its random choices are part of what the seeds of a study vary.
        options = {"seed": key.seed, **options}
    return combiners.get(key.combiner, **options)


def _training_options(plan: Plan) -> TrainingOptions:
    return TrainingOptions(**{name: getattr(plan.config, name) for name in TrainingOptions.model_fields})


def _metrics(key: CellKey, model: MultiTaskModel, data: TrainingData, result: TrainingResult) -> CellMetrics:
    folds: tuple[tuple[Literal["validation", "test"], Mapping[str, Metrics]], ...] = (
        ("validation", evaluate(model, data, "validation")),
        ("test", result.metrics),
    )
    rows = [
        MetricRow(task=task, split=fold, **_defined(asdict(metrics)))
        for fold, found in folds
        for task, metrics in found.items()
    ]
    return CellMetrics(
        key=key,
        trunk_parameters=sum(parameter.numel() for parameter in model.encoder.parameters()),
        epochs=len(result.history),
        best_epoch=result.best_epoch,
        steps=result.steps,
        seconds=result.seconds,
        criterion=result.criterion,
        metrics=tuple(rows),
        history=tuple(
            EpochRow(
                epoch=record.epoch,
                step=record.steps - 1,
                train_loss=sum(record.losses.values()) / len(record.losses),
                validation=record.validation,
            )
            for record in result.history
        ),
        notes=data.features.notes(),
    )


def _defined(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if not math.isnan(value)}


class _ProgressFile:
    """Tells the watching process how far a cell has come, at most twice a second."""

    def __init__(self, plan: Plan, key: CellKey) -> None:
        self._path = plan.folder.cell(key) / "progress.json"
        self._key = key
        self._written = -math.inf

    def __call__(self, epoch: int, epochs: int, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._written >= _PROGRESS_SECONDS:
            self._written = now
            write_record(
                self._path, CellProgress(key=self._key, epoch=epoch, epochs=epochs, step=step, loss=loss)
            )
