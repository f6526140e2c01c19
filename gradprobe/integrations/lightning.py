"""A gradient probe as a Lightning callback."""
# ruff: noqa: ARG002 - Lightning fixes the arguments of its hooks, whether or not they are used

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from gradprobe.errors import InputError, missing_extra
from gradprobe.gradients import LayerNaming, all_ready
from gradprobe.integrations.folders import new_trace_folder
from gradprobe.integrations.loggers import scalars
from gradprobe.integrations.losses import MethodLosses, TaskLosses, of_minibatch
from gradprobe.integrations.validation import ValidationBatches
from gradprobe.probes import GradientProbe, inert
from gradprobe.probes.folds import Rows
from gradprobe.probes.split import LossFunction, SplitLosses, SplitRows
from gradprobe.trace import GramianRecord, Trace

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as absent:
    raise missing_extra("lightning", "lightning") from absent


class GradientProbeCallback(Callback):
    """Measures task gradients while a Lightning module trains, and changes nothing.

    Minibatches are measured on the losses of the module's own training step, between its forward and
    its backward pass: no second forward, and no loss scaling of mixed precision or accumulation. Where
    gradients are accumulated, the first batch of each optimiser step is measured. After a validation
    loop its loaders are gone through once more, in eval mode and with gradients, for the held-out
    Gramian; the sanity check before training is left out. A batch that has labels of fewer than two
    tasks is not measured.

    The main numbers go to the trainer's loggers (CSV, TensorBoard, ...), everything to the trace.
    After resuming from a checkpoint step numbers continue and the trace is a new one. Under manual
    optimisation the losses must be computed before the step's first `manual_backward`. On several
    devices every process measures its own share, since a backward pass may wait for all of them (shared
    negatives, synchronised batch norm); the first one's trace goes to the folder and the loggers, the
    others' stay in memory. Trainers of the package `pytorch_lightning` take
    this callback too.

    Args:
        focal: the name of the focal task.
        losses: the module's method `(batch) -> {task: per-row losses [b]}` that its training step
            calls, or another source of task losses (`gradprobe.integrations.chemprop`). The method
            must not call `self.log`, since the held-out measurement calls it after validation.
        rows: `rows(batch)` -> task -> the molecule behind each row, or `"positions"`, where row i of every
            task is one molecule: measures in two folds of the molecules, as `rows` of
            `GradientProbe.measure` and `measure_loader` do. By default what the source of losses knows:
            chemprop's knows its molecules, a method does not.
        heldout_every: validation loops from one held-out measurement to the next; 0 for none.
        out: a new folder for the trace; by default one in the logger's folder, or, without a logger,
            in the trainer's `default_root_dir`.
        shared, layers, every, engine, seed, batches: as for `gradprobe.GradientProbe`; `every` counts
            optimiser steps.

    Raises:
        InputError: an argument that cannot be used, with the remedy; most show when training starts.
    """

    def __init__(  # noqa: PLR0913 - the probe's options, and what is asked of the module
        self,
        *,
        focal: str,
        losses: str | TaskLosses = "task_losses",
        rows: SplitRows | None = None,
        heldout_every: int = 1,
        shared: Literal["auto"] | nn.Module | Sequence[nn.Parameter] = "auto",
        layers: LayerNaming = "module",
        every: int = 1,
        engine: str = "auto",
        out: str | Path | None = None,
        seed: int = 0,
        batches: str = "",
    ) -> None:
        if heldout_every < 0:
            raise InputError(f"heldout_every: expected a count from 0 on, got {heldout_every}")
        self._focal = focal
        self._losses = MethodLosses(losses) if isinstance(losses, str) else losses
        self._rows = rows
        self._heldout_every = heldout_every
        self._out = out
        self._start = functools.partial(
            GradientProbe,
            focal=focal,
            shared=shared,
            layers=layers,
            every=every,
            engine=engine,
            seed=seed,
            batches=batches,
        )
        self._probe: GradientProbe | None = None
        self._listening = False
        self._names: Rows | Literal["positions"] | None = None
        self._last_step = -1
        self._validations = 0

    @property
    def trace(self) -> Trace:
        """What was measured in the last `fit`.

        Raises:
            InputError: before the first one.
        """
        if self._probe is None:
            raise InputError("trace: expected a call after trainer.fit has started, got one before")
        return self._probe.trace

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a trace."""
        folder = trainer.log_dir or trainer.default_root_dir  # a collective call on several devices
        self._probe, self._last_step, self._validations = None, -1, 0
        out = new_trace_folder(Path(folder)) if self._out is None else self._out
        self._probe = self._start(pl_module, out=out if trainer.is_global_zero else None)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Listen to the losses of the first batch of an optimiser step."""
        if self._probe is not None and trainer.global_step != self._last_step:
            self._losses.listen(pl_module)
            self._listening = True
            self._names = self._rows_of(batch) if self._probe.due else None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Measure the step between its forward and its backward pass."""
        if not self._listening or self._probe is None:
            return
        heard = self._stop_listening()
        self._last_step = trainer.global_step
        if heard is None:
            raise InputError(
                f"losses: expected the training step of {type(pl_module).__name__} to compute its task "
                "losses where the callback listens, got a step that did not; call the method that "
                "losses= names in training_step"
            )
        losses = of_minibatch(heard)
        labelled = [task for task, entry in losses.items() if entry.numel()]
        ready = len(losses) < 2 or len(labelled) >= 2
        if all_ready(ready, list(losses.values())) if self._probe.due else ready:
            step, epoch = trainer.global_step, trainer.current_epoch
            self._show(trainer, self._probe.measure(losses, step=step, epoch=epoch, rows=self._names))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop listening where the training step skipped its backward pass."""
        self._stop_listening()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the held-out split."""
        if self._probe is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        count, self._validations = self._validations, self._validations + 1
        if not self._heldout_every or count % self._heldout_every:
            return
        batches = ValidationBatches(trainer, pl_module)
        with inert(pl_module, loader=batches.loaders):
            record = self._probe.measure_loader(
                batches,
                self._heldout_losses(trainer),
                split="heldout",
                step=trainer.global_step - 1,
                epoch=trainer.current_epoch,
                rows=self._heldout_rows(),
            )
        self._show(trainer, record)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is left of the trace."""
        if self._probe is not None:
            self._probe.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the module as it was, and write what is left of the trace."""
        self._stop_listening()
        self.on_fit_end(trainer, pl_module)

    def _stop_listening(self) -> SplitLosses | None:
        was_listening, self._listening = self._listening, False
        return self._losses.stop() if was_listening else None

    def _rows_of(self, batch: Any) -> Rows | Literal["positions"] | None:
        rows = self._rows or self._losses.positions
        return rows(batch) if callable(rows) else rows

    def _heldout_rows(self) -> SplitRows | None:
        positions = self._losses.positions
        if self._rows is not None or positions is None:
            return self._rows
        numbers = itertools.count()

        def rows(batch: Any) -> Rows:
            number = next(numbers)
            return {task: [(number, place) for place in own] for task, own in positions(batch).items()}

        return rows

    def _heldout_losses(self, trainer: Trainer) -> LossFunction:
        def loss_fn(module: nn.Module, batch: Any) -> SplitLosses:
            with trainer.precision_plugin.val_step_context():
                return self._losses.of_batch(module, batch)

        return loss_fn

    def _show(self, trainer: Trainer, record: GramianRecord | None) -> None:
        if record is not None:
            for logger in trainer.loggers:
                logger.log_metrics(scalars(record, focal=self._focal), step=max(record.step, 0))
