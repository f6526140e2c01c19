"""A gradient probe in a Hugging Face Trainer."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, missing_extra
from gradprobe.gradients import LayerNaming
from gradprobe.integrations.folders import new_trace_folder
from gradprobe.integrations.loggers import scalars
from gradprobe.integrations.row_losses import RowLosses, row_losses_of
from gradprobe.probes import GradientProbe, by_task
from gradprobe.probes.tasks import TaskNames
from gradprobe.trace import Trace

try:
    from transformers import Trainer, TrainerCallback
except ImportError as absent:
    raise missing_extra("transformers", "hf") from absent

# By how much one loss may differ when it is computed twice, in bfloat16 once.
_ROUNDING = 0.02
# (outputs of the model, inputs of the step) -> task -> losses [k], one number a row or token.
LossesOfStep = Callable[[Any, Mapping[str, Any]], Mapping[str, Tensor]]


class GradientProbeCallback(TrainerCallback):
    """Measures task gradients while a Hugging Face `Trainer` trains, and changes nothing.

    The losses are those of the training step's own forward pass: no second one. A `TrainerCallback` alone
    sees no loss before the backward pass, so `attach` also wraps the trainer's `compute_loss`. It works with
    subclasses (TRL's trainers among them), gradient accumulation (the first micro-batch of each optimiser
    step is measured), bf16, non-reentrant gradient checkpointing, and LoRA: with peft the trunk is the
    adapters, since the frozen weights have no gradient.

    The main numbers go to the trainer's loggers unless `logging_strategy="no"`, everything to the trace.

    The task of each row is a column of the batch, taken out before the model sees the batch. Set
    `remove_unused_columns=False` in `TrainingArguments`, and keep the column in your collator. The loss of a
    task is the mean over its own rows, or over its own tokens in a language model, with the trainer's label
    smoothing. Where the trainer's loss is another one (a loss function of yours, class weights, an auxiliary
    loss), a warning says so once; `losses=` measures that one.

    Args:
        focal: the name of the focal task.
        tasks: the column that holds each row's task id [b].
        names: the name of each id: a sequence, or a mapping from id to name.
        losses: instead of `tasks` and `names`: a function of the model's outputs and the step's inputs that
            returns task -> losses [k], for models whose loss we cannot take apart.
        folds: measure in two halves of the rows, for cosines corrected for noise; needs `tasks`.
        out: a new folder for the trace; by default one in the trainer's output folder.
        shared, layers, every, engine, seed, batches: as for `gradprobe.GradientProbe`; `every` counts
            optimiser steps.

    Raises:
        InputError: an argument that cannot be used, with the remedy; some show when training starts.
    """

    def __init__(  # noqa: PLR0913 - the probe's options, and what is asked of the batch
        self,
        *,
        focal: str,
        tasks: str = "",
        names: TaskNames = (),
        losses: LossesOfStep | None = None,
        folds: bool = True,
        shared: Literal["auto"] | nn.Module | Sequence[nn.Parameter] = "auto",
        layers: LayerNaming = "module",
        every: int = 1,
        engine: str = "auto",
        out: str | Path | None = None,
        seed: int = 0,
        batches: str = "",
    ) -> None:
        if (losses is None) == (not tasks):
            raise InputError(
                "tasks: expected the column with each row's task id, or losses=, a function that returns the "
                f"losses by task; got {'neither' if losses is None else 'both'}"
            )
        self._focal = focal
        self._column = tasks
        self._names = names
        self._losses = losses
        self._folds = folds
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
        self._trainer: Trainer | None = None
        self._probe: GradientProbe | None = None
        self._last_step = -1
        self._told = False

    def attach(self, trainer: Trainer) -> GradientProbeCallback:
        """Listen to this trainer's losses; call it once, before `train`."""
        own = trainer.compute_loss

        @functools.wraps(own)
        def overheard(model: nn.Module, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
            return self._overhear(own, model, inputs, *args, **options)

        vars(trainer)["compute_loss"] = overheard
        trainer.add_callback(self)
        self._trainer = trainer
        return self

    @property
    def trace(self) -> Trace:
        """What was measured in the last `train`.

        Raises:
            InputError: before the first one.
        """
        if self._probe is None:
            raise InputError("trace: expected a call after trainer.train has started, got one before")
        return self._probe.trace

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start a trace."""
        if self._trainer is None:
            raise InputError("attach: expected callback.attach(trainer) before trainer.train, got no call")
        if self._column and args.remove_unused_columns:
            raise InputError(
                f"tasks: expected batches with the column {self._column!r}, got a trainer that removes it; "
                "set remove_unused_columns=False in TrainingArguments"
            )
        out = new_trace_folder(Path(args.output_dir)) if self._out is None else self._out
        self._probe, self._last_step = self._start(kwargs["model"], out=out), -1

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Write what is left of the trace."""
        if self._probe is not None:
            self._probe.close()

    def _overhear(
        self, own: Any, model: nn.Module, inputs: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        """The trainer's own loss; on the first micro-batch of an optimiser step, measured on the way."""
        ids = self._take_ids(inputs)
        probe, step = self._probe, self._step()
        if probe is None or not model.training or step == self._last_step:
            return own(model, inputs, *args, **options)
        if not probe.due:
            self._last_step = step
            probe.measure({}, step=step)  # counts a step that is skipped
            return own(model, inputs, *args, **options)
        kept = dict(inputs)  # the trainer may take the labels out
        wants_outputs = args[0] if args else options.pop("return_outputs", False)
        loss, outputs = own(model, inputs, True, *args[1:], **options)
        if self._losses is not None:
            losses = dict(self._losses(outputs, kept))
        else:
            smoother = getattr(self._trainer, "label_smoother", None)
            rows = row_losses_of(model, outputs, kept, smoothing=getattr(smoother, "epsilon", 0.0))
            self._compare(loss, rows, args[1] if len(args) > 1 else options.get("num_items_in_batch"))
            losses = {} if ids is None else self._losses_by_task(rows, ids)
        if sum(entry.numel() > 0 for entry in losses.values()) >= 2:
            self._last_step = step
            self._show(probe, losses, ids)
        return (loss, outputs) if wants_outputs else loss

    def _step(self) -> int:
        return 0 if self._trainer is None else int(self._trainer.state.global_step)

    def _take_ids(self, inputs: dict[str, Any]) -> Tensor | None:
        if not self._column:
            return None
        if self._column not in inputs:
            raise InputError(
                f"tasks: expected batches with the column {self._column!r}, got {sorted(inputs)}; keep it in "
                "the data set and in the collator"
            )
        ids: Tensor = inputs.pop(self._column)
        return ids

    def _losses_by_task(self, rows: RowLosses, ids: Tensor) -> dict[str, Tensor]:
        sums, terms = by_task(rows.sums, ids, self._names), by_task(rows.terms, ids, self._names)
        # One number a row whose mean is the mean over the task's tokens.
        return {
            task: entry * (entry.numel() / terms[task].sum()) if bool(terms[task].any()) else entry[:0]
            for task, entry in sums.items()
        }

    def _compare(self, loss: Tensor, rows: RowLosses, items: Tensor | int | None) -> None:
        """Say once that the trainer minimises another loss than the one measured.

        It divides the sum by the rows or tokens of this micro-batch, or by those of all (`items`), in all
        processes perhaps.
        """
        total = float(rows.sums.detach().sum())
        counts = [count for count in (float(rows.terms.sum()), float(items or 0)) if count]
        trainer, own = self._trainer, float(loss.detach())
        if self._told or trainer is None or not counts or not math.isfinite(own):
            return
        means = [
            times * total / count for count in counts for times in (1, trainer.accelerator.num_processes)
        ]
        if not any(math.isclose(own, mean, rel_tol=_ROUNDING) for mean in means):
            self._told = True
            warnings.warn(
                f"losses: measured is the mean loss of rows or tokens, {means[0]:.4g} here, but the trainer "
                f"minimises another one, {own:.4g}; pass losses=, a function of (outputs, inputs) that "
                "returns the trainer's own loss by task",
                stacklevel=2,
            )

    def _show(self, probe: GradientProbe, losses: Mapping[str, Tensor], ids: Tensor | None) -> None:
        rows = None
        if self._folds and ids is not None:
            rows = {task: part.tolist() for task, part in by_task(_numbers(ids), ids, self._names).items()}
        record = probe.measure(losses, step=self._step(), epoch=self._epoch(), rows=rows)
        trainer = self._trainer
        if record is not None and trainer is not None and trainer.args.logging_strategy != "no":
            trainer.log(scalars(record, focal=self._focal))

    def _epoch(self) -> int | None:
        epoch = None if self._trainer is None else self._trainer.state.epoch
        return None if epoch is None else int(epoch)


def _numbers(ids: Tensor) -> Tensor:
    return torch.arange(len(ids), device=ids.device)
