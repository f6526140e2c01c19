"""One update: the trunk's by a combiner, each head's by its own task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from gradprobe.combiners import Combiner
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.gradients import (
    Capture,
    Engine,
    JacobianCapture,
    LoopEngine,
    Row,
    RowwiseEngine,
    SharedParameters,
    check_finite,
    check_trunk_reached,
    differentiate,
    nodes_behind,
    output_axes,
    without_ddp_reduction,
)
from gradprobe.probes.losses import check_measurable, check_shape
from gradprobe.training.ranks import Processes, Ranks
from gradprobe.training.trunk import UpdatedTrunk

_T = TypeVar("_T")


class CombinedUpdate:
    """Adds to `.grad` of a model what the losses of a step say, in the bundled loop or in anyone's.

    Call it where `backward` would be called; then step the optimiser. The trunk gets the combiner's
    weighted sum of task gradients, every other parameter the raw gradient of the losses that reach it,
    which for a head is its own task's. Costs about one and a half backward passes where the rows of a
    batch stay apart (`RowwiseEngine`), however many tasks there are.

    Like `backward` it adds to `.grad`: call `optimizer.zero_grad()` between steps, and for gradient
    accumulation call it on the losses of every micro-batch, divided by their number. Each micro-batch
    is then combined on its own.

    A combiner that averages makes the trunk's gradient m times smaller than the summed losses would;
    under Adam that scale does not matter. Tasks without a loss in a step are missing, not zero: the
    combiner is told, and their heads get nothing.

    In a data-parallel run (`DistributedDataParallel`, static graphs included) task gradients are averaged
    over the processes that have the task before they are combined, so that all processes make the update
    of the whole batch; that takes one copy of the trunk a task, for combiners that look at gradients.

    Args:
        model: the model in training.
        combiner: from `gradprobe.combiners.get`.
        tasks: the names of all tasks, in the combiner's order.
        focal: the focal task among them.
        shared: the trunk: a module of the model, parameters, or `"auto"`: what the losses of at least two
            tasks reach in the first step, without heads. Parameters unfrozen later join it.
        engine: what computes the task gradients.
        scaler: the `torch.amp.GradScaler` of the run. Pass losses unscaled: `.grad` is left scaled, for
            `scaler.step(optimizer)`. Where it overflows, the combiner is not asked, the weights are NaN and
            `scaler.step` skips the step.
        processes: the process group of a data-parallel run; `"auto"`: the default one, if there is one; None:
            every process by itself.

    Raises:
        InputError: the focal task is not among the tasks, or the trunk is not the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        combiner: Combiner,
        *,
        tasks: Sequence[str],
        focal: str,
        shared: Literal["auto"] | nn.Module | Iterable[nn.Parameter],
        engine: Engine | None = None,
        scaler: GradScaler | None = None,
        processes: Processes = "auto",
    ) -> None:
        if focal not in tasks:
            raise InputError(f"focal: expected one of {list(tasks)}, got {focal!r}")
        self._tasks = tuple(tasks)
        self._focal = self._tasks.index(focal)
        self._model = model
        self._combiner = combiner
        self._engine: Engine = RowwiseEngine() if engine is None else engine
        self._trunk = UpdatedTrunk(model, shared)
        self._scaler = scaler
        self._processes: Processes = processes

    def __call__(self, losses: Mapping[str, Tensor]) -> FloatArray:
        """Add to the gradients from the losses of the tasks present; returns the weights [m] used.

        A loss is a scalar or one number a row [b], whose mean is taken; an empty vector is a missing task.
        The weights are NaN where there were none: no parameter of the trunk is trained in this step, or
        the scaled losses overflow.

        Raises:
            InputError: a loss of a task that was not named, of another shape, or none at all.
            MeasurementError: a loss or a task gradient is NaN or infinite; no loss reaches the trunk.
        """
        device = next(self._model.parameters()).device
        ranks = Ranks.of(self._processes, device)
        present, error = self._checked(losses, alone=ranks is None)
        if ranks is not None:
            ranks.check(error)
        elif error is not None:
            raise error
        with without_ddp_reduction(nodes_behind(present.values())):
            weights, gradients = self._combine(present, self._scale(device), ranks)
        accumulate(gradients)
        return weights

    def _combine(
        self, losses: dict[str, Tensor], scale: float, ranks: Ranks | None
    ) -> tuple[FloatArray, list[tuple[nn.Parameter, Tensor | None]]]:
        """The weights, and what to add to the gradient of each parameter, times the scale."""
        own = np.array([task in losses for task in self._tasks], dtype=np.float64)
        values = np.array([losses[task].item() if task in losses else 0.0 for task in self._tasks])
        counts, values = (own, values) if ranks is None else (ranks.sum(own), ranks.sum(values))
        values = np.divide(values, counts, out=np.full(len(own), np.nan), where=counts > 0)
        # What this process adds to the mean over those that have the task.
        shares = {task: scale / float(counts[self._tasks.index(task)]) for task in losses}
        scaled = {task: loss * shares[task] for task, loss in losses.items()}
        trunk = self._trunk.current()
        if int((counts > 0).sum()) > 1 and self._awakened(losses, ranks):
            trunk = None
        by_gramian = trunk is None or (self._combiner.needs_gramian and len(trunk.names) > 0)
        if trunk is None or by_gramian:
            capture = self._capture(scaled, counts, ranks, trunk)
            trunk = capture.shared
            weights = self._weights(_unscaled(capture, scale), trunk, counts, values)
            if ranks is not None:
                weights = ranks.same(weights)
            present = weights[counts > 0]
            combined: Row = capture.combined(np.where(np.isfinite(present), present, 1.0))
        else:
            weights, combined = self._weighted(scaled, counts, values, ranks, trunk)
        heads = self._trunk.heads(trunk)
        raw = self._total(scaled, dict.fromkeys(scaled, 1.0), heads, ranks, keep_graph=False)
        return weights, [*zip(trunk.parameters, combined, strict=True), *zip(heads, raw, strict=True)]

    def _awakened(self, losses: Mapping[str, Tensor], ranks: Ranks | None) -> bool:
        awakened = self._trunk.awakened(losses.values())
        return awakened if ranks is None else bool(ranks.sum([float(awakened)])[0])

    def _capture(
        self,
        losses: dict[str, Tensor],
        counts: FloatArray,
        ranks: Ranks | None,
        trunk: SharedParameters | None,
    ) -> Capture:
        """The gradients of all tasks present, here or in another process; finds the trunk if it has to."""
        everything = self._trunk.candidates() if trunk is None else trunk
        engine = LoopEngine() if trunk is None else self._engine
        names = [task for task, count in zip(self._tasks, counts, strict=True) if count]
        capture: Capture
        if ranks is None:
            capture = engine.capture(list(losses.values()), everything)
        else:
            rows, error = _attempt(lambda: _rows(engine, losses, names, everything))
            ranks.check(error)
            assert rows is not None, "an error was raised in every process"
            capture = JacobianCapture(ranks.sum_rows(rows, everything.parameters), everything)
        check_trunk_reached(capture.reached, everything)
        if trunk is not None:
            return capture
        return self._trunk.settle(capture.jacobian(), names, output_axes(list(losses.values()), everything))

    def _weighted(
        self,
        losses: dict[str, Tensor],
        counts: FloatArray,
        values: FloatArray,
        ranks: Ranks | None,
        trunk: SharedParameters,
    ) -> tuple[FloatArray, Row]:
        """One backward pass: weights that need no Gramian are known before any gradient."""
        if not trunk.names:
            return np.full(len(self._tasks), np.nan), []
        weights = self._combiner.weights(
            np.zeros((len(self._tasks), len(self._tasks))),
            focal=self._focal,
            present=counts > 0,
            losses=values,
        )
        if ranks is not None:
            weights = ranks.same(weights)
        own = {task: float(weights[self._tasks.index(task)]) for task in losses}
        row = self._total(losses, own, trunk.parameters, ranks, keep_graph=True)
        check_trunk_reached(JacobianCapture([row], trunk).reached, trunk)
        return weights, row

    def _weights(
        self, values: FloatArray, trunk: SharedParameters, counts: FloatArray, losses: FloatArray
    ) -> FloatArray:
        """The combiner's weights [m] for inner products [l, p, p]; NaN where scaled losses overflow."""
        present = counts > 0
        if self._scaler is not None and not np.isfinite(values).all():
            return np.full(len(present), np.nan)
        check_finite(
            values, [t for t, there in zip(self._tasks, present, strict=True) if there], trunk.layers
        )
        # Most methods look at the whole trunk; GradNorm balances its last layer, of those that are reached.
        reached = np.flatnonzero(np.diagonal(values, axis1=1, axis2=2).any(axis=1))
        last = values[reached[-1:]] if len(reached) else values[-1:]
        seen = last if self._combiner.last_layer_only else values
        gramian = np.zeros((len(present), len(present)))
        gramian[np.ix_(present, present)] = seen.sum(axis=0)
        return self._combiner.weights(gramian, focal=self._focal, present=present, losses=losses)

    def _total(
        self,
        losses: dict[str, Tensor],
        weights: Mapping[str, float],
        parameters: Sequence[nn.Parameter],
        ranks: Ranks | None,
        *,
        keep_graph: bool,
    ) -> Row:
        """The gradient of the weighted sum of the losses in all processes; the sum's is each head's own."""

        def own() -> Row:
            if not losses:
                return [None] * len(parameters)
            total = torch.stack([loss * weights[task] for task, loss in losses.items()]).sum()
            return differentiate(total, parameters, keep_graph=keep_graph)

        if ranks is None:
            return own()
        row, error = _attempt(own)
        ranks.check(error)
        assert row is not None, "an error was raised in every process"
        return ranks.sum_rows([row], parameters)[0]

    def _checked(
        self, losses: Mapping[str, Tensor], *, alone: bool
    ) -> tuple[dict[str, Tensor], Exception | None]:
        """The mean losses of the tasks present, in order, and what is wrong with them."""
        found, error = _attempt(lambda: self._present(losses))
        if found is not None and alone and not found:
            return {}, InputError("losses: expected the loss of at least one task, got none")
        return found or {}, error

    def _present(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        unknown = [task for task in losses if task not in self._tasks]
        if unknown:
            raise InputError(f"losses: expected some of the tasks {list(self._tasks)}, got {unknown}")
        for task, loss in losses.items():
            check_shape(f"losses[{task!r}]", loss)
        present = {task: losses[task] for task in self._tasks if task in losses and losses[task].numel()}
        for task, loss in present.items():
            # Under a scaler an overflow is what the step is skipped for.
            if self._scaler is None or not loss.requires_grad:
                check_measurable(f"losses[{task!r}]", loss)
        return {task: loss.mean() for task, loss in present.items()}

    def _scale(self, device: torch.device) -> float:
        """The scaler's factor, which it makes up when it is first asked to scale something."""
        return 1.0 if self._scaler is None else float(self._scaler.scale(torch.ones((), device=device)))


def accumulate(gradients: Iterable[tuple[nn.Parameter, Tensor | None]]) -> None:
    """Add to the gradients of parameters, as `backward` does."""
    taken: set[int] = set()
    for parameter, gradient in gradients:
        if gradient is None:
            continue
        gradient = gradient.to(parameter.dtype)  # noqa: PLW2901 - sums of float16 gradients are float32
        if parameter.grad is None:
            # Autograd may hand out one tensor for two parameters, or one number spread over many places.
            place = gradient.data_ptr() if gradient.layout == torch.strided else id(gradient)
            alias = place in taken or (gradient.layout == torch.strided and not gradient.is_contiguous())
            parameter.grad = gradient.detach().clone() if alias else gradient.detach()
            taken.add(place)
        elif parameter.grad.layout == gradient.layout == torch.strided:
            with torch.no_grad():
                parameter.grad.add_(gradient)
        else:
            # A dense gradient adds to a sparse one, not the other way round.
            dense_first = parameter.grad.layout == torch.strided
            one, other = (parameter.grad, gradient) if dense_first else (gradient, parameter.grad)
            parameter.grad = (one + other).detach()


def _rows(
    engine: Engine, losses: Mapping[str, Tensor], names: Sequence[str], shared: SharedParameters
) -> list[Row]:
    """A row for each of some tasks; of None for those without a loss here."""
    none: Row = [None] * len(shared.parameters)
    own = engine.capture(list(losses.values()), shared).jacobian().rows if losses else []
    row_of = dict(zip(losses, own, strict=True))
    return [row_of.get(name, none) for name in names]


def _unscaled(capture: Capture, scale: float) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return capture.gramian() / scale**2


def _attempt(work: Callable[[], _T]) -> tuple[_T | None, Exception | None]:
    """What some work gives, or its error: in a data-parallel run every process must hear of it."""
    try:
        return work(), None
    except Exception as error:
        return None, error
