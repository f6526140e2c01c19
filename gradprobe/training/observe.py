"""Probing a run: minibatches as they are trained on, whole splits now and then."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor, nn

from gradprobe.data import SplitName
from gradprobe.encoders.features import IntArray
from gradprobe.probes import GradientProbe, RepresentationProbe
from gradprobe.probes.folds import FOLDS, StandingFolds
from gradprobe.trace import Trace
from gradprobe.training.batches import Batch, chunks, rotating_sample, separate_rows
from gradprobe.training.data import TrainingData
from gradprobe.training.evaluation import CHUNK
from gradprobe.training.losses import TaskLosses
from gradprobe.training.model import MultiTaskModel, device_of, on_device

# Effective rank is at most the number of rows, so encoders are compared at one number.
RANK_ROWS = 512
# Gradients of a whole split: about three copies of the trunk in float32 for each half of a task.
_SPLIT_BYTES = 2_000_000_000
_COPIES = 3
_SPLITS: Mapping[Literal["train", "heldout"], SplitName] = {"train": "train", "heldout": "validation"}


class ProbeObserver:
    """Measures a run into one trace, and changes nothing about it.

    The minibatch every `probe_every` steps, on the very losses of the step and with its molecules in
    two halves, A and B. Beside it, unless `heldout_rows` is 0, up to that many molecules of the focal
    task's validation split, H, in a pass of their own: others at each measurement, until all have had a
    turn.

    The validation split (`heldout` in the trace) before training, every `heldout_every` epochs and at the
    end; the train split before training and at the end. Both in eval mode and in halves too, with the
    effective rank of the representation of up to 512 of their molecules, evenly spaced. `rows` caps the
    molecules of each task with which a split is measured, also evenly spaced.

    Whole splits take two gigabytes of gradients at most. With more tasks than fit, they are measured for the
    focal task and the auxiliaries with most labels only, and the trace's description of batches says so.

    Steps and splits on which fewer than two tasks have labels are left out: a conflict needs two.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        data: TrainingData,
        *,
        probe_every: int,
        heldout_every: int,
        seed: int,
        rows: int | None = None,
        heldout_rows: int = 32,
        batches: str = "",
        out: str | Path | None = None,
    ) -> None:
        self._data = data
        self._losses = TaskLosses(data)
        self._heldout_every = heldout_every
        self._folds = StandingFolds(seed)
        self._rows = rows
        self._model = model
        self._judges = _judges(data, heldout_rows, seed)
        self._measured = _measured_on_splits(model, data)
        if len(self._measured) < len(data.tasks):
            batches += (
                f"; whole splits: the focal task and the {len(self._measured) - 1} auxiliaries with most "
                f"labels, of {len(data.tasks) - 1}"
            )
        self._gradients = GradientProbe(
            model,
            focal=data.focal,
            shared=model.encoder,
            every=probe_every,
            out=out,
            seed=seed,
            batches=batches,
        )
        self._ranks = RepresentationProbe(model, layer=model.encoder, trace=self.trace)

    @property
    def trace(self) -> Trace:
        """What was measured so far."""
        return self._gradients.trace

    def before_update(
        self, losses: Mapping[str, Tensor], rows: Mapping[str, IntArray], step: int, epoch: int
    ) -> None:
        """Measure a minibatch, split into two halves of its molecules, and held-out rows beside it."""
        if len(losses) < 2:
            return
        judges = next(self._judges, None) if self._gradients.due else None
        self._gradients.measure(
            losses,
            rows=rows,
            step=step,
            epoch=epoch,
            heldout=None if judges is None else self._judge(judges),
            heldout_rows=judges,
        )

    def end_of_epoch(self, epoch: int, step: int, *, last: bool) -> None:
        """Measure the splits whose turn it is."""
        if epoch == -1 or last or (epoch + 1) % self._heldout_every == 0:
            self._measure("heldout", epoch, step)
        if epoch == -1 or last:
            self._measure("train", epoch, step)

    def close(self) -> None:
        """Write what is left of the trace."""
        self._gradients.close()

    def _measure(self, split: Literal["train", "heldout"], epoch: int, step: int) -> None:
        rows = {
            task: _evenly_spaced(molecules, self._rows or len(molecules))
            for task, molecules in self._data.rows[_SPLITS[split]].items()
            if len(molecules) and task in self._measured
        }
        if len(rows) < 2:
            return
        labels = _Chunks(_by_fold(rows, self._folds))
        self._gradients.measure_loader(
            labels, self._losses, split=split, step=step, epoch=epoch, rows=_molecules_of
        )
        molecules = _Chunks([{"": _evenly_spaced(np.unique(np.concatenate(list(rows.values()))), RANK_ROWS)}])
        self._ranks.measure_loader(molecules, self._represent, split=split, step=step, epoch=epoch)

    def _judge(self, molecules: IntArray) -> Tensor:
        """The focal task's losses on held-out molecules."""
        with self._gradients.heldout():
            return self._losses(self._model, separate_rows({self._data.focal: molecules}))[self._data.focal]

    def _represent(self, model: nn.Module, batch: Batch) -> Tensor:
        inputs = on_device(self._data.features.batch(batch.molecules), device_of(model))
        representation: Tensor = model.encoder(inputs)  # type: ignore[operator]
        return representation


def _measured_on_splits(model: MultiTaskModel, data: TrainingData) -> frozenset[str]:
    """The tasks whose gradients on a whole split fit in memory together."""
    one = 2 * _COPIES * 4 * sum(parameter.numel() for parameter in model.encoder.parameters())
    most = max(2, _SPLIT_BYTES // one)
    by_labels = sorted(data.tasks, key=lambda task: (task != data.focal, -len(data.rows["train"][task])))
    return frozenset(by_labels[:most])


@dataclass(frozen=True, eq=False)
class _Chunks:
    """The rows of tasks in chunks, part by part, as often as asked."""

    parts: Sequence[Mapping[str, IntArray]]

    def __iter__(self) -> Iterator[Batch]:
        return itertools.chain.from_iterable(chunks(rows, CHUNK) for rows in self.parts)


def _judges(data: TrainingData, size: int, seed: int) -> Iterator[IntArray]:
    """Held-out molecules of the focal task, measurement by measurement; nothing for a size of 0."""
    molecules = data.rows["validation"][data.focal]
    return rotating_sample(molecules, size, seed=seed, name=f"held out: {data.focal}") if size else iter(())


def _by_fold(rows: Mapping[str, IntArray], folds: StandingFolds) -> list[dict[str, IntArray]]:
    """The rows of folds A and B, as the probe will assign them: a chunk of one group costs one pass."""
    in_fold = {task: [folds.of(int(molecule)) for molecule in own] for task, own in rows.items()}
    return [{task: own[np.array(in_fold[task]) == fold] for task, own in rows.items()} for fold in FOLDS]


def _molecules_of(batch: Batch) -> dict[str, IntArray]:
    return {task: batch.rows(task) for task in batch.positions}


def _evenly_spaced(rows: IntArray, count: int) -> IntArray:
    """At most `count` of the rows, spread over all of them."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]
