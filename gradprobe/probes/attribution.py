"""What each row of a step did to the focal task's loss: the probe's part of `attribute="rows"`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradprobe.errors import InputError
from gradprobe.geometry import HELDOUT, FloatArray
from gradprobe.gradients import (
    Capture,
    JudgedCapture,
    Row,
    RowProductEngine,
    SharedParameters,
    UndefinedDiagonalError,
    as_step,
)
from gradprobe.probes.folds import FOLDS, MoleculeNames, Rows, StandingFolds, distinct_names, named_rows
from gradprobe.probes.heldout import HeldoutPass
from gradprobe.probes.losses import GroupLoss
from gradprobe.trace import JUDGES, Geometry


@dataclass(frozen=True, eq=False)
class Request:
    """What was asked for at one step, checked: a molecule's name for each row, and a weight for each task."""

    losses: Mapping[str, Tensor]
    names: Mapping[str, Sequence[str]]
    weights: Mapping[str, float]
    heldout: Tensor | None
    heldout_names: Sequence[Hashable] | None


@dataclass(frozen=True, eq=False)
class RowEffects:
    """Task -> effects [b, j] of its rows on each of `JUDGES`, NaN where there is no such loss; and a note."""

    values: Mapping[str, FloatArray]
    geometry: Geometry
    note: str = ""


def check_request(
    attribute: object,
    losses: Mapping[str, Tensor],
    *,
    rows: Rows | str | None,
    weights: Mapping[str, float] | None,
    heldout: Tensor | None,
    heldout_rows: MoleculeNames | None,
) -> Request | None:
    """The request for the effects of rows; None where there is none.

    Raises:
        InputError: rows without names, losses that are not one a row, or weights that are not one a task.
    """
    if attribute is None:
        if weights is not None:
            raise InputError("weights: expected attribute='rows' beside them, got None; leave weights= out")
        return None
    if attribute != "rows":
        raise InputError(f"attribute: expected 'rows' or None, got {attribute!r}")
    if not isinstance(rows, Mapping):
        raise InputError(
            f"rows: expected task -> the molecule behind each row beside attribute='rows', got {rows!r}"
        )
    names = {task: [str(name) for name in own] for task, own in named_rows(losses, rows).items()}
    of_heldout = None
    if heldout is not None and heldout_rows is not None:
        of_heldout = distinct_names("heldout_rows", heldout_rows, heldout)
    return Request(losses, names, _weights(weights, losses), heldout, of_heldout)


class RowAttribution:
    """Measures the effects of rows at one step after another.

    An effect is the first-order reduction of a focal loss by the row's part of the update
    `-lr D w_k / n_k grad(loss_r)`: w_k the task's weight, n_k its rows in the step, D the optimiser's
    diagonal. Without an optimiser, D and lr are one.
    """

    def __init__(self, focal: str, optimizer: Optimizer | None, seed: int) -> None:
        self._focal = focal
        self._optimizer = optimizer
        self._engine = RowProductEngine(seed=seed)
        self._folds = StandingFolds(seed)
        self._generator = np.random.default_rng([seed, 2])

    def measure(
        self,
        request: Request,
        parts: Sequence[GroupLoss],
        capture: Capture | JudgedCapture,
        shared: SharedParameters,
        *,
        model: nn.Module,
        taken: HeldoutPass | None,
    ) -> RowEffects:
        """The effects of the rows of one step; empty, with a note, where there is nothing to have one on.

        Raises:
            MeasurementError: rows depend on each other.
        """
        geometry: Geometry = "plain" if self._optimizer is None else "preconditioned"
        gradients = self._gradients(request, parts, capture, shared, taken)
        if not gradients:
            return RowEffects({}, geometry, "no attribution: neither held-out nor focal rows")
        try:
            directions = [self._as_step(gradient, shared) for gradient in gradients.values()]
        except UndefinedDiagonalError as reason:
            return RowEffects({}, geometry, f"no attribution, since {reason}")
        found = self._engine.measure(request.losses, shared, directions, model=model, molecules=request.names)
        columns = [JUDGES.index(name) for name in gradients]
        values = {}
        for task, products in found.values.items():
            values[task] = np.full((len(products), len(JUDGES)), np.nan)
            values[task][:, columns] = products * (request.weights[task] / len(products))
        return RowEffects(values, geometry, found.note)

    def _as_step(self, gradient: Row, shared: SharedParameters) -> Row:
        return gradient if self._optimizer is None else as_step(gradient, self._optimizer, shared)

    def _gradients(
        self,
        request: Request,
        parts: Sequence[GroupLoss],
        capture: Capture | JudgedCapture,
        shared: SharedParameters,
        taken: HeldoutPass | None,
    ) -> dict[str, Row]:
        """By its name in `JUDGES`, the gradient of each loss that there is an effect on."""
        found: dict[str, Row] = {}
        step: Capture = capture.step if isinstance(capture, JudgedCapture) else capture
        if isinstance(capture, JudgedCapture) and request.heldout is not None and taken is not None:
            found["H"] = capture.judge.rows[0]
            if request.heldout_names is not None:
                found |= self._halves(found["H"], request, shared, taken)
        rows = [part.rows * (part.group.task == self._focal) for part in parts if part.group.fold != HELDOUT]
        if sum(rows):
            found["F"] = step.combined(np.array(rows) / sum(rows))
        return found

    def _halves(
        self, whole: Row, request: Request, shared: SharedParameters, taken: HeldoutPass
    ) -> dict[str, Row]:
        """The gradients of two halves of the held-out rows, and of all with random signs, from two passes.

        None where a half is empty.
        """
        assert request.heldout is not None
        assert request.heldout_names is not None
        fold_of = [self._folds.of(name) for name in request.heldout_names]
        first = [place for place, fold in enumerate(fold_of) if fold == FOLDS[0]]
        total, count = len(fold_of), len(first)
        if count in (0, total):
            return {}
        loss = request.heldout
        half = loss[torch.as_tensor(first, device=loss.device)].mean()
        own = taken.differentiate(half, shared).rows[0]
        signs = torch.as_tensor(self._generator.choice([-1.0, 1.0], total)).to(loss)
        noise = taken.differentiate((signs * loss).mean(), shared).rows[0]
        other = [_rest(a, b, total, count) for a, b in zip(whole, own, strict=True)]
        return {FOLDS[0]: own, FOLDS[1]: other, "N": noise}


def _rest(whole: Tensor | None, part: Tensor | None, total: int, count: int) -> Tensor | None:
    """The mean over the other rows, from that over all and that over some."""
    if whole is None:
        return None
    summed = whole.to_dense() * total if whole.layout != torch.strided else whole * total
    if part is not None:
        summed = summed - (part.to_dense() if part.layout != torch.strided else part) * count
    return summed / (total - count)


def _weights(given: Mapping[str, float] | None, losses: Mapping[str, Tensor]) -> dict[str, float]:
    if given is None:
        return dict.fromkeys(losses, 1.0)
    missing = [task for task in losses if task not in given]
    if missing:
        raise InputError(f"weights: expected one for each task, got none for {missing}")
    found = {task: float(given[task]) for task in losses}
    if not all(math.isfinite(weight) for weight in found.values()):
        raise InputError(f"weights: expected finite numbers, got {found}")
    return found
