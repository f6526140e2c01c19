"""The gradient probe: task Gramians on minibatches and on whole splits."""

from __future__ import annotations

import dataclasses
import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from gradprobe.errors import InputError
from gradprobe.geometry import Group
from gradprobe.gradients import (
    Capture,
    Engine,
    JacobianCapture,
    JacobianSum,
    JudgedCapture,
    LayerNaming,
    LoopEngine,
    OutputAxis,
    RowwiseEngine,
    SharedParameters,
    all_parameters,
    check_losses_reach_model,
    check_optimizer,
    check_parameters,
    check_trunk_reached,
    find_trunk,
    learning_rates,
    output_axes,
    select_parameters,
)
from gradprobe.probes.attribution import Request, RowAttribution, RowEffects, check_request
from gradprobe.probes.describe import describe, with_trunk
from gradprobe.probes.folds import MoleculeNames, Rows, StandingFolds, rows_by_position, split_into_folds
from gradprobe.probes.heldout import HeldoutPass, heldout_group
from gradprobe.probes.inert import evaluating, inert, separate_pass
from gradprobe.probes.losses import GroupLoss, check_losses, whole_tasks
from gradprobe.probes.measurement import Measurement, joined
from gradprobe.probes.molecule_sums import MoleculeSums
from gradprobe.probes.partition import NOTE as PARTITION
from gradprobe.probes.partition import partition_rows
from gradprobe.probes.schedule import Schedule
from gradprobe.probes.separate import LossesOf, separate_passes
from gradprobe.probes.split import NO_FOLDS, LossFunction, SplitRows, sum_over_split
from gradprobe.trace import GramianRecord, QuantityRecord, SplitName, Trace

SEVERAL_RATES = "the layer's parameters have several learning rates, or none that is known"
_ENGINES: Mapping[str, Callable[[], Engine]] = {
    "auto": RowwiseEngine,
    "rowwise": RowwiseEngine,
    "loop": LoopEngine,
}


class GradientProbe:
    """Records what task gradients do to each other on the trunk of a model, and changes nothing.

    Only what hangs on the graph itself still notices: `.grad` of an activation with `retain_grad()`
    adds up our passes too, and full backward hooks of modules run once a pass.

    Args:
        model: the model in training.
        focal: the name of the focal task.
        shared: the trunk: a module of the model, parameters, or `"auto"`: what the losses of at least
            two tasks reach at the first measurement, without the heads fused into one layer. The
            trace's header lists the layers kept and left out.
        layers: how parameters are gathered into layers: by owning module, or by a function from a
            parameter's name to its layer's.
        every: measure one call of `measure` in this many, the first included.
        sample: measure each call with this probability instead, drawn from the probe's own generator: every
            so-manyth step may meet the same rows in each epoch, a random one does not.
        engine: `"loop"`, one backward pass a task, or `"auto"` or `"rowwise"`: one pass for all tasks
            where rows of the batch carry one task's loss each, a few where some carry several, and the
            loop where that would not be exact. Every record says which engine measured it, and why.
        out: a new folder for the trace; None keeps it in memory.
        seed: draws the folds; recorded in the trace.
        precondition: the optimiser of the trunk: every measurement then also gives the inner products
            `<g_i, D g_j>`, D the diagonal by which it multiplies gradients (Adam, AdamW, RMSprop, Adagrad,
            SGD). They are kept apart, in `trace.preconditioned`, and cost memory for one copy of the
            trunk a group. Not defined before the optimiser's first step: the record's note then says so.
            Beside every minibatch stands the step's `learning_rate`, by layer where layers differ.
        batches: how minibatches are formed, for the reader of the trace: cosines depend on it.

    Raises:
        InputError: an argument that cannot be used, with the remedy.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each option
        self,
        model: nn.Module,
        *,
        focal: str,
        shared: Literal["auto"] | nn.Module | Iterable[nn.Parameter] = "auto",
        layers: LayerNaming = "module",
        every: int = 1,
        sample: float | None = None,
        engine: str = "auto",
        out: str | Path | None = None,
        seed: int = 0,
        batches: str = "",
        precondition: Optimizer | None = None,
    ) -> None:
        _check_options(layers=layers, engine=engine, shared=shared)
        self._schedule = Schedule(every=every, sample=sample, seed=seed)
        header = describe(model, focal=focal, every=every, sample=sample, seed=seed, batches=batches)
        self._model = model
        self._focal = focal
        self._layers: LayerNaming = layers
        self._engine: Engine = _ENGINES[engine]()
        self._optimizer = None if precondition is None else check_optimizer(precondition)
        self._shared = None if isinstance(shared, str) else select_parameters(model, shared, layers)
        self._generator = np.random.default_rng(seed)
        self._standing_folds = StandingFolds(seed)
        self._attribution = RowAttribution(focal, self._optimizer, seed)
        self._sums: MoleculeSums | None = None
        self._told = False
        self._last_step = -1
        self._heldout: HeldoutPass | None = None
        self.trace = Trace(out, header)

    @property
    def shared(self) -> SharedParameters | None:
        """The measured parameters; None while `shared="auto"` has not seen a measurement."""
        return self._shared

    @property
    def due(self) -> bool:
        """Whether the next call of `measure` measures; skip the held-out pass of a step that is not."""
        return self._schedule.due

    @contextmanager
    def heldout(self) -> Iterator[None]:
        """A block for a forward pass on held-out rows, whose loss the next `measure` takes.

        In eval mode and without the caller's autocast. Afterwards model and random state are what they
        were, and the graph of what was computed stays alive: `loss = criterion(model(x), y)`.

        Raises:
            InputError: a lazy parameter has no values yet.
        """
        self._check_whole()
        taken, self._heldout = HeldoutPass(self._model), None
        with taken.forward():
            yield
        self._heldout = taken

    def measure(
        self,
        losses: Mapping[str, Tensor],
        *,
        step: int | None = None,
        epoch: int | None = None,
        rows: Rows | Literal["positions", "partition"] | None = None,
        heldout: Tensor | None = None,
        heldout_rows: MoleculeNames | None = None,
        attribute: Literal["rows"] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> GramianRecord | None:
        """Measure the step whose losses these are; call it before your own backward.

        Args:
            losses: task -> scalar loss, or vector of per-row losses [b], from your own forward pass.
                A task without rows in this step is left out, or has an empty vector.
            step: the optimiser step; by default one more than the last one measured or skipped.
            epoch: the epoch, if you count them.
            rows: task -> the molecule behind each row; splits every task's rows into two folds by
                one random bipartition of the step's molecules. `"positions"`: row i of every task is
                one molecule; a step whose tasks have unequal numbers of rows is then measured whole, and
                its note says so. `"partition"`, for losses [b] of the same
                rows for every task: each row speaks for one task, drawn at random, which costs one
                pass where a dense label matrix would cost one a task, and adds variance.
            heldout: the focal task's loss on held-out rows, a scalar or [b], from a forward pass inside
                `with probe.heldout():`. Its gradient is the group (focal task, "H") of the Gramian: the
                step's own numbers stay bit for bit what they are without it.
            heldout_rows: the molecule behind each held-out row; beside `rows`, it is checked that none
                of them is in the step.
            attribute: `"rows"`, beside `rows` by name: also by how much each row's part of the update reduces
                the focal task's held-out loss and its loss in this step, to first order, summed per molecule
                in `trace.molecules`. At the update made where the probe has `precondition=`, else at gradient
                descent with learning rate one. With `heldout_rows`, also on two disjoint halves of them. See
                `gradprobe.molecule_table`.
            weights: task -> what your update multiplies its mean loss by, for `attribute`; one by default.

        Returns:
            What was appended to the trace; None for a call that `every` skips.

        Raises:
            InputError, MeasurementError: the losses cannot be measured, with cause and remedy. The
                training state is untouched then too.
        """
        due, taken = self.due, self._heldout
        self._schedule.advance()
        self._heldout = None
        self._last_step = self._last_step + 1 if step is None else step
        if not due:
            return None
        self._check_whole()
        present = check_losses(losses)
        self._check_focal(present)
        judge = heldout_group(heldout, self._focal, taken, names=heldout_rows, rows=rows)
        request = check_request(
            attribute, present, rows=rows, weights=weights, heldout=heldout, heldout_rows=heldout_rows
        )
        effects: RowEffects | None = None
        changed = self._renew_trunk()
        with inert(self._model):
            parts = self._groups(present, rows)
            capture, shared = self._capture([part.loss for part in parts], [part.group for part in parts])
            judged: Capture | JudgedCapture = capture
            if judge is not None and taken is not None:
                parts.append(judge)
                judged = JudgedCapture(capture, taken.differentiate(judge.loss, shared))
            measurement = Measurement.of(
                judged,
                shared,
                groups=[part.group for part in parts],
                rows=[part.rows for part in parts],
                losses=[part.loss.item() for part in parts],
                optimizer=self._optimizer,
            )
            if request is not None:
                effects = self._attribution.measure(
                    request, parts, judged, shared, model=self._model, taken=taken
                )
        how = PARTITION if rows == "partition" else ""
        if rows == "positions" and not any(part.group.fold for part in parts if part is not judge):
            how = NO_FOLDS
        how = joined(how, changed, effects.note if effects is not None else "")
        record = self._append(measurement, split="minibatch", epoch=epoch, how=how)
        if request is not None and effects is not None:
            self._fold(effects, request, epoch)
        return record

    def separate_forward(
        self, losses_of: LossesOf, *, step: int | None = None, epoch: int | None = None
    ) -> GramianRecord | None:
        """Measure a step on forward passes of our own, one a task, where its own graph cannot be used.

        For graphs that cannot be walked again and functions that no check understands. Call it in place
        of `measure`, before your own forward pass: random numbers and the model's state are put back
        after each pass, so that yours is the same. Costs a forward and a backward pass a task; the
        record's note says how many.

        Args:
            losses_of: `losses_of()` runs the model on the batch of the step and returns its losses, as
                `measure` takes them. In train mode or not, and under autocast or not, as you call it.
            step: the optimiser step; by default one more than the last one measured or skipped.
            epoch: the epoch, if you count them.

        Returns:
            What was appended to the trace; None for a call that `every` skips.

        Raises:
            InputError, MeasurementError: as for `measure`.
        """
        due, self._heldout = self.due, None
        self._schedule.advance()
        self._last_step = self._last_step + 1 if step is None else step
        if not due:
            return None
        self._check_whole()
        changed = self._renew_trunk()
        everything = self._shared or all_parameters(self._model, self._layers)
        passes = separate_passes(self._model, losses_of, everything)
        self._check_focal([group.task for group in passes.groups])
        capture, shared = self._on_trunk(passes.capture, passes.groups, passes.outputs)
        measurement = Measurement.of(
            capture,
            shared,
            groups=passes.groups,
            rows=passes.rows,
            losses=passes.losses,
            optimizer=self._optimizer,
        )
        return self._append(measurement, split="minibatch", epoch=epoch, how=changed)

    def measure_loader(
        self,
        loader: Iterable[Any],
        loss_fn: LossFunction,
        *,
        split: Literal["train", "heldout"],
        step: int | None = None,
        epoch: int | None = None,
        rows: SplitRows | None = None,
    ) -> GramianRecord:
        """Measure a whole split in eval mode: the Gramian of the mean losses over all its rows.

        Each task's gradient is summed over the batches and divided by the task's own label count.
        Takes as much memory as one copy of the trunk a task. Usable before training (step -1).

        Args:
            loader: the batches; its order and random state do not move.
            loss_fn: `loss_fn(model, batch)` -> task -> per-row losses [b], or (mean loss, rows). It is
                called in eval mode, without the caller's autocast.
            split: what the loader holds.
            step: the optimiser step; by default the last one that `measure` saw, -1 before that.
            epoch: the epoch, if you count them.
            rows: `rows(batch)` -> task -> the molecule behind each row; splits every task's rows into
                two folds of the split's molecules, the same ones at every measurement. `"positions"`: row
                i of every task is one molecule, and no molecule is in two batches; a split with a batch
                of other losses is then measured whole. Takes twice the memory.

        Raises:
            InputError, MeasurementError: as for `measure`; also an empty loader.
        """
        if split not in ("train", "heldout"):
            raise InputError(f"split: expected 'train' or 'heldout', got {split!r}")
        if step is not None:
            self._last_step = step
        self._check_whole()
        changed = self._renew_trunk()
        with inert(self._model, loader=loader), evaluating(self._model):
            # Which losses reach a parameter, the trunk's definition, is the loop's to say.
            engine = self._engine if self._shared is not None else LoopEngine()
            sums = JacobianSum(
                self._shared or all_parameters(self._model, self._layers),
                engine,
                find_outputs=self._shared is None,
            )
            batches = separate_pass(loader)
            whole = sum_over_split(sums, self._model, batches, loss_fn, rows=rows, folds=self._standing_folds)
            capture, shared = self._on_trunk(sums.capture(), sums.groups, sums.outputs)
            measurement = Measurement.of(
                capture,
                shared,
                groups=sums.groups,
                rows=sums.counts,
                losses=sums.losses,
                optimizer=self._optimizer,
            )
        how = joined(NO_FOLDS if whole and rows is not None else "", changed)
        return self._append(measurement, split=split, epoch=epoch, how=how, merged=whole)

    def flush(self) -> None:
        """Add to the trace, and write, what is still being summed or buffered."""
        if self._sums is not None:
            self._sums.flush()
        self.trace.flush()

    def close(self) -> None:
        """Write what is left of the trace."""
        self.flush()
        self.trace.close()

    def __enter__(self) -> GradientProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_whole(self) -> None:
        """Refuse shards before a forward pass of ours gathers them."""
        check_parameters(self._model.parameters() if self._shared is None else self._shared.parameters)

    def _check_focal(self, present: Iterable[str]) -> None:
        """Say once that the focal task is not among the losses: a misspelt name would go unnoticed."""
        if self._focal in present or self._focal in self.trace.header.tasks or self._told:
            return
        self._told = True
        warnings.warn(
            f"focal: expected {self._focal!r} among the losses, got {list(present)}; fine if it merely has "
            "no label in this step, else name one of them",
            stacklevel=3,
        )

    def _renew_trunk(self) -> str:
        """Follow what the model has under the trunk's names now; a note about what has changed."""
        if self._shared is None:
            return ""
        if not self.trace.gramians:
            self._shared = self._shared.grown(self._model, self._layers)
        self._shared, note = self._shared.renewed(self._model)
        return note

    def _groups(
        self, present: Mapping[str, Tensor], rows: Rows | Literal["positions", "partition"] | None
    ) -> list[GroupLoss]:
        if rows == "partition":
            return partition_rows(present, self._generator)
        if isinstance(rows, str) and rows != "positions":
            raise InputError(f"rows: expected molecules by task, 'positions' or 'partition', got {rows!r}")
        names = rows_by_position(present) if rows == "positions" else rows
        return whole_tasks(present) if names is None else split_into_folds(present, names, self._generator)

    def _capture(self, losses: Sequence[Tensor], groups: Sequence[Group]) -> tuple[Capture, SharedParameters]:
        if self._shared is not None:
            capture = self._engine.capture(losses, self._shared)
            self._check_reach(capture, losses, groups)
            return capture, self._shared
        everything = all_parameters(self._model, self._layers)
        found = LoopEngine().capture(losses, everything)
        self._check_reach(found, losses, groups)
        note = joined("loop, to find the trunk on the first measurement", found.note)
        outputs = output_axes(losses, everything)
        return self._on_trunk(dataclasses.replace(found, note=note), groups, outputs)

    def _check_reach(self, capture: Capture, losses: Sequence[Tensor], groups: Sequence[Group]) -> None:
        """Look closer at losses that reach no measured parameter: their gradient may be made elsewhere."""
        check_trunk_reached(capture.reached, capture.shared)
        reached = np.asarray(capture.reached.any(axis=0))
        entries = zip(groups, losses, reached, strict=True)
        check_losses_reach_model({group.task: loss for group, loss, ok in entries if not ok}, self._model)

    def _on_trunk(
        self, capture: JacobianCapture, groups: Sequence[Group], outputs: Mapping[int, OutputAxis]
    ) -> tuple[JacobianCapture, SharedParameters]:
        if self._shared is not None:
            return capture, self._shared
        trunk = find_trunk(capture, [group.task for group in groups], self._model, outputs)
        return capture.restricted(trunk), trunk

    def _fold(self, effects: RowEffects, request: Request, epoch: int | None) -> None:
        if self._sums is None:
            self._sums = MoleculeSums(
                self.trace, probability=self._schedule.probability, geometry=effects.geometry
            )
            # As the trace does: what was not closed is kept too.
            weakref.finalize(self, self._sums.flush)
        self._sums.add(
            effects.values, request.names, heldout=request.heldout_names, step=self._last_step, epoch=epoch
        )

    def _append(
        self,
        measurement: Measurement,
        *,
        split: SplitName,
        epoch: int | None,
        how: str,
        merged: bool = False,
    ) -> GramianRecord:
        """Append the records of a measurement; the plain one."""
        records = measurement.records(step=self._last_step, split=split, epoch=epoch, how=how, merged=merged)
        self._shared = measurement.shared
        tasks = records[0].gramian.tasks
        self.trace.describe(with_trunk(self.trace.header, measurement.shared, tasks))
        for record in records:
            self.trace.append(record)
        if self._optimizer is not None and split == "minibatch":
            for layer, rate in learning_rates(self._optimizer, measurement.shared).items():
                reason = SEVERAL_RATES if math.isnan(rate) else ""
                self.trace.append(
                    QuantityRecord(
                        self._last_step, split, "learning_rate", rate, epoch, layer=layer, reason=reason
                    )
                )
        return records[0]


def _check_options(*, layers: object, engine: str, shared: object) -> None:
    if layers != "module" and not callable(layers):
        raise InputError(f"layers: expected 'module' or a function of a parameter's name, got {layers!r}")
    if engine not in _ENGINES:
        raise InputError(f"engine: expected one of {sorted(_ENGINES)}, got {engine!r}")
    if isinstance(shared, str) and shared != "auto":
        raise InputError(f"shared: expected 'auto', a module or parameters, got {shared!r}")
