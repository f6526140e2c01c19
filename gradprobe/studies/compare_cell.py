"""One cell of a study: one encoder, one combiner, one seed, trained, probed and scored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.data import MoleculeTable, split_molecules
from gradprobe.encoders import Features
from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, CellKey, CellMetrics, EpochRow, MetricRow
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.desk import Desk
from gradprobe.studies.predictions import write_predictions
from gradprobe.training import (
    MultiTaskModel,
    Predicted,
    ProbeObserver,
    TrainingData,
    TrainingOptions,
    TrainingResult,
    build_model,
    make_batches,
    predict_split,
    score,
    train,
)

Fold = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class CompareWork:
    """Trains, probes and scores one cell of a comparison."""

    config: StudyConfig
    table: MoleculeTable

    def prepare(self, cache: Path) -> None:
        """Featurise the molecules for every encoder, so that cells side by side only read the cache."""
        for name in self.config.encoders:
            self._features(name, cache)

    def __call__(self, key: CellKey, desk: Desk) -> CellMetrics:
        """One cell; its trace is left on the desk."""
        if key.axes:
            return replace(self, config=self.config.at(key.axes))._run(key, desk)
        return self._run(key, desk)

    def _run(self, key: CellKey, desk: Desk) -> CellMetrics:
        data = self._training_data(key, desk.cache)
        spec, options = self.config.encoder(key.encoder)
        model = build_model(lambda: spec.build(options, data.features), data.tasks, seed=key.seed)
        observer = None if key.combiner == SINGLE_TASK else self._observer(key, model, data, desk.trace)
        try:
            result = train(
                model,
                data,
                self._combiner(key),
                options=self._training_options(),
                seed=key.seed,
                observer=observer,
                progress=desk.progress,
                accelerator=self.config.accelerator,
                precision=self.config.precision,
            )
        finally:
            if observer is not None:
                observer.close()
        folds: tuple[Fold, ...] = ("validation", "test")
        predicted = {fold: predict_split(model, data, fold) for fold in folds}
        if self.config.predictions:
            write_predictions(desk.folder, key.id, self.table.smiles, predicted)
        return _metrics(key, model, data, result, predicted)

    def _training_data(self, key: CellKey, cache: Path | None) -> TrainingData:
        split = split_molecules(self.table, kind=self.config.split, seed=key.seed, focal=self.config.focal)
        features = self._features(key.encoder, cache)
        features.fit(split.train)
        data = TrainingData.from_table(self.table, split, features=features, focal=self.config.focal)
        if key.combiner == SINGLE_TASK:
            return data.focal_alone()
        # All molecules and folds stay, so that cells along the axis differ in nothing but their tasks.
        count = dict(key.axes).get(AUXILIARIES)
        return data if count is None else data.select(self.table.tasks[: 1 + int(count)])

    def _observer(self, key: CellKey, model: MultiTaskModel, data: TrainingData, out: Path) -> ProbeObserver:
        config = self.config
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
            out=out,
        )

    def _features(self, encoder: str, cache: Path | None) -> Features:
        spec, options = self.config.encoder(encoder)
        return spec.featurise(self.table.smiles, options, cache)

    def _combiner(self, key: CellKey) -> Combiner:
        if key.combiner == SINGLE_TASK:
            return combiners.get("average")
        options = self.config.combiner_options.get(key.combiner, {})
        if "seed" in combiners.options_of(key.combiner):
            # Its random choices are part of what the seeds of a study vary.
            options = {"seed": key.seed, **options}
        return combiners.get(key.combiner, **options)

    def _training_options(self) -> TrainingOptions:
        return TrainingOptions(**{name: getattr(self.config, name) for name in TrainingOptions.model_fields})


def _metrics(
    key: CellKey,
    model: MultiTaskModel,
    data: TrainingData,
    result: TrainingResult,
    predicted: Mapping[Fold, Mapping[str, Predicted]],
) -> CellMetrics:
    rows = [
        MetricRow(task=task, split=fold, **_defined(asdict(metrics)))
        for fold, own in predicted.items()
        for task, metrics in score(own, data).items()
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
    return {
        name: value for name, value in scores.items() if not (isinstance(value, float) and math.isnan(value))
    }
