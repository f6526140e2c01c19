"""One training of a decision: an action and a seed, on the table less what is set aside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.data import MoleculeTable, Splits, split_molecules
from gradprobe.data.splits import task_rows
from gradprobe.data.task_labels import IntArray
from gradprobe.encoders import Features
from gradprobe.records.decide import AVERAGE, DecideAction, DecideKey, DecideRun
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.desk import Desk
from gradprobe.studies.predictions import write_predictions
from gradprobe.training import (
    MultiTaskModel,
    Predicted,
    ProbeObserver,
    TrainingData,
    TrainingOptions,
    build_model,
    make_batches,
    predict_rows,
    predict_split,
    score,
    train,
)


@dataclass(frozen=True, eq=False)
class DecideWork:
    """Trains one action until validation stops improving, and scores the focal task on the judging rows.

    A seed splits what is not in `outer` into train, stopping and judging rows, and draws the weights.
    """

    config: StudyConfig
    table: MoleculeTable
    outer: IntArray
    actions: Mapping[str, DecideAction]

    def prepare(self, cache: Path) -> None:
        """Featurise the molecules."""
        self._features(cache)

    def __call__(self, key: DecideKey, desk: Desk) -> DecideRun:
        """One training; a probed one leaves its trace on the desk."""
        config, action = self.config, self._action(key)
        split = self.split(key.seed)
        features = self._features(desk.cache)
        features.fit(split.train)
        whole = TrainingData.from_table(self.table, split, features=features, focal=config.focal)
        data = whole.select([task for task in whole.tasks if task not in action.dropped])
        spec, options = config.encoder(config.encoders[0])
        model = build_model(lambda: spec.build(options, data.features), data.tasks, seed=key.seed)
        training = TrainingOptions(**{name: getattr(config, name) for name in TrainingOptions.model_fields})
        observer = None
        if key.probed:
            batches = make_batches(
                config.batching,
                data.rows["train"],
                focal=data.focal,
                batch_size=config.batch_size,
                seed=key.seed,
            )
            observer = ProbeObserver(
                model,
                data,
                probe_every=config.probe_every,
                # Actions are ranked by minibatches: whole folds only before and after.
                heldout_every=config.epochs + 1,
                seed=key.seed,
                rows=config.probe_rows,
                heldout_rows=config.batch_size if config.heldout_rows is None else config.heldout_rows,
                batches=f"{batches.description}; {config.batch_size} a step",
                out=desk.trace,
            )
        try:
            result = train(
                model,
                data,
                self._combiner(action, key.seed),
                options=training,
                seed=key.seed,
                observer=observer,
                progress=desk.progress,
            )
        finally:
            if observer is not None:
                observer.close()
        predicted = self._predicted(model, data, probed=key.probed)
        if config.predictions:
            write_predictions(desk.folder, key.id, self.table.smiles, predicted)
        judged = score(predicted["judging"], data)[config.focal]
        value = judged.auroc if data.kinds[config.focal] == "classification" else judged.rae
        best = result.history[result.best_epoch]
        outer = () if key.probed else predicted["outer"][config.focal].predictions
        return DecideRun(
            key=key,
            score=value if math.isfinite(value) else None,
            judging_rows=judged.n,
            validation=best.validation,
            best_epoch=result.best_epoch,
            best_step=best.steps - 1,
            epochs=len(result.history),
            steps=result.steps,
            seconds=result.seconds,
            outer=tuple(float(value) for value in outer),
        )

    def _predicted(
        self, model: MultiTaskModel, data: TrainingData, *, probed: bool
    ) -> dict[str, dict[str, Predicted]]:
        """Predictions of every task on judging rows, and of the focal task on those set aside."""
        focal = self.config.focal
        judging = {"judging": predict_split(model, data, "test")}
        if probed:
            return judging
        return judging | {"outer": {focal: predict_rows(model, data, focal, self._outer_rows())}}

    def split(self, seed: int) -> Splits:
        """Train, stopping and judging rows of a seed: none of them is set aside."""
        splits = split_molecules(self.table, kind=self.config.split, seed=seed)
        return Splits(*(_without(splits.rows(name), self.outer) for name in ("train", "validation", "test")))

    def _action(self, key: DecideKey) -> DecideAction:
        return DecideAction(id=AVERAGE, name=AVERAGE) if key.action == AVERAGE else self.actions[key.action]

    def _combiner(self, action: DecideAction, seed: int) -> Combiner:
        if action.focal_share is not None:
            return combiners.get("weighted", focal_share=action.focal_share)
        if not action.combiner:
            return combiners.get(AVERAGE)
        options = self.config.combiner_options.get(action.combiner, {})
        if "seed" in combiners.options_of(action.combiner):
            options = {"seed": seed, **options}
        return combiners.get(action.combiner, **options)

    def _outer_rows(self) -> IntArray:
        empty = np.zeros(0, dtype=np.intp)
        return task_rows(self.table, Splits(empty, empty, self.outer), self.config.focal, "test")

    def _features(self, cache: Path | None) -> Features:
        spec, options = self.config.encoder(self.config.encoders[0])
        return spec.featurise(self.table.smiles, options, cache)


def _without(rows: IntArray, outer: IntArray) -> IntArray:
    return np.asarray(rows[~np.isin(rows, outer)])
