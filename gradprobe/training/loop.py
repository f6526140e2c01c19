"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gradprobe.combiners import Combiner
from gradprobe.encoders.features import IntArray
from gradprobe.errors import InputError, MeasurementError, TrainingError, missing_extra
from gradprobe.training.batches import Batch, Batches, make_batches
from gradprobe.training.data import TrainingData
from gradprobe.training.evaluation import evaluate
from gradprobe.training.losses import TaskLosses
from gradprobe.training.model import MultiTaskModel, device_of
from gradprobe.training.options import Precision, TrainingOptions
from gradprobe.training.result import EpochRecord, TrainingResult
from gradprobe.training.stopping import Criterion, EarlyStopping, choose_criterion, validation_score
from gradprobe.training.update import CombinedUpdate


class Observer(Protocol):
    """Looks on without touching the run; see `observe.ProbeObserver`."""

    def before_update(
        self, losses: Mapping[str, Tensor], rows: Mapping[str, IntArray], step: int, epoch: int
    ) -> None:
        """The per-row losses that the coming update will use, with their graph, and their molecules."""
        ...

    def end_of_epoch(self, epoch: int, step: int, *, last: bool) -> None:
        """After an epoch whose last update was `step`; epoch and step are -1 before the first.

        At the last one the parameters are those of that epoch, not yet the best one's.
        """
        ...


class Progress(Protocol):
    """Told about every step; `loss` is the mean of the tasks' mean losses."""

    def __call__(self, epoch: int, epochs: int, step: int, loss: float) -> None:
        """After update `step` in an epoch, counted from 0, of at most `epochs`."""
        ...


def train(
    model: MultiTaskModel,
    data: TrainingData,
    combiner: Combiner,
    *,
    options: TrainingOptions,
    seed: int,
    observer: Observer | None = None,
    progress: Progress | None = None,
    accelerator: str = "cpu",
    precision: Precision = "32-true",
) -> TrainingResult:
    """Train a model in place, restore its best epoch and score it on the test split.

    Args:
        model: from `build_model`; moved to the accelerator and left there.
        data: features, targets and splits; the features are fitted already.
        combiner: sets the trunk's update.
        options: see `TrainingOptions`.
        seed: of batch composition and of dropout. Dropout draws from torch's global random state,
            which is seeded for the length of the call and put back after it.
        observer: what measures during the run; it must not change the run.
        progress: called after every step.
        accelerator: one of Lightning Fabric's, such as `"cpu"` or `"auto"`.
        precision: of forward and backward passes; parameters, held-out passes and evaluation stay float32.

    Raises:
        InputError: this machine has no such accelerator.
        TrainingError: a loss or a gradient is NaN or infinite; names the task, epoch and step.
        MissingExtraError: Lightning is not installed.
    """
    started = time.monotonic()
    forward, optimizer = _set_up(model, options, accelerator, precision)
    with _seeded(seed, device_of(model)):
        run = _Run(
            model=model,
            forward=forward,
            optimizer=optimizer,
            losses_of=TaskLosses(data),
            update=CombinedUpdate(model, combiner, tasks=model.tasks, shared=model.encoder, focal=data.focal),
            batches=make_batches(
                options.batching,
                data.rows["train"],
                focal=data.focal,
                batch_size=options.batch_size,
                seed=seed,
            ),
            epochs=options.epochs,
            observer=observer,
            progress=progress,
        )
        criterion = choose_criterion(data)
        stopping = EarlyStopping(model, criterion, options.patience)
        history = _epochs(run, data, criterion, stopping)
        stopping.restore()
    return TrainingResult(
        history=history,
        criterion=criterion,
        best_epoch=stopping.best_epoch,
        steps=run.steps,
        metrics=evaluate(model, data, "test"),
        seconds=time.monotonic() - started,
    )


def _epochs(
    run: _Run, data: TrainingData, criterion: Criterion, stopping: EarlyStopping
) -> tuple[EpochRecord, ...]:
    history: list[EpochRecord] = []
    run.tell_observer(-1, last=False)
    for epoch in range(run.epochs):
        losses = run.train_epoch(epoch)
        score = validation_score(run.model, data, criterion)
        if math.isnan(score):
            raise TrainingError(_diverged(f"validation predictions of {data.focal!r}", epoch, run.steps - 1))
        history.append(EpochRecord(epoch, run.steps, losses, score))
        stop = stopping.update(epoch, score) or epoch + 1 == run.epochs
        run.tell_observer(epoch, last=stop)
        if stop:
            break
    return tuple(history)


@dataclass(eq=False)
class _Run:
    """The moving parts of one run; `steps` counts the updates made."""

    model: MultiTaskModel
    forward: nn.Module
    optimizer: torch.optim.Optimizer
    losses_of: TaskLosses
    update: CombinedUpdate
    batches: Batches
    epochs: int
    observer: Observer | None
    progress: Progress | None
    steps: int = 0

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Each task's mean loss over the rows it had in an epoch of training."""
        self.model.train()
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for batch in self.batches.epoch():
            means = self._step(batch, epoch)
            for task, mean in means.items():
                rows = len(batch.positions[task])
                sums[task] = sums.get(task, 0.0) + mean * rows
                counts[task] = counts.get(task, 0) + rows
            if self.progress is not None:
                self.progress(epoch, self.epochs, self.steps - 1, sum(means.values()) / len(means))
        return {task: sums[task] / counts[task] for task in sums}

    def tell_observer(self, epoch: int, *, last: bool) -> None:
        if self.observer is not None:
            with _located(epoch, self.steps - 1):
                self.observer.end_of_epoch(epoch, self.steps - 1, last=last)

    def _step(self, batch: Batch, epoch: int) -> dict[str, float]:
        losses = self.losses_of(self.forward, batch)
        means = {task: rows.mean() for task, rows in losses.items()}
        values = {task: mean.item() for task, mean in means.items()}
        for task, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(_diverged(f"the loss of {task!r}", epoch, self.steps))
        with _located(epoch, self.steps):
            if self.observer is not None:
                rows = {task: batch.rows(task) for task in losses}
                self.observer.before_update(losses, rows, self.steps, epoch)
            self.optimizer.zero_grad()
            self.update(means)
        self.optimizer.step()
        self.steps += 1
        return values


def _set_up(
    model: MultiTaskModel, options: TrainingOptions, accelerator: str, precision: Precision
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model behind Fabric, for forward passes, and its optimiser."""
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.utilities.exceptions import MisconfigurationException
    except ImportError as error:
        raise missing_extra("lightning", "lightning") from error

    optimizer = torch.optim.Adam(
        model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    try:
        fabric = Fabric(accelerator=accelerator, devices=1)
    except (MisconfigurationException, RuntimeError) as error:
        raise InputError(
            f"accelerator: expected one that this machine has, got {accelerator!r} ({error}); use cpu or auto"
        ) from error
    forward, wrapped = fabric.setup(model, optimizer)
    return forward if precision == "32-true" else _InBfloat16(forward, device_of(model).type), wrapped


class _InBfloat16(nn.Module):
    """A model whose products are taken in bfloat16; its outputs are float32 again.

    Lightning's own would have the backward pass go through it, which gradients task by task do not.
    """

    def __init__(self, model: nn.Module, device: str) -> None:
        super().__init__()
        self._model = model
        self._device = device

    def forward(self, inputs: Any, positions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with torch.autocast(self._device, dtype=torch.bfloat16):
            outputs: dict[str, Tensor] = self._model(inputs, positions)
        return {task: output.float() for task, output in outputs.items()}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """A block with random state of its own, for dropout."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _located(epoch: int, step: int) -> Iterator[None]:
    """Say where in the run a gradient was no longer finite."""
    try:
        yield
    except MeasurementError as error:
        raise TrainingError(f"{error} (epoch {epoch}, step {step})") from error


def _diverged(what: str, epoch: int, step: int) -> str:
    return (
        f"{what}: expected finite numbers, got NaN or infinity at epoch {epoch}, step {step}; "
        "lower learning_rate, or look for extreme labels"
    )
