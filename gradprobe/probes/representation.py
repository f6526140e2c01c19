"""The representation probe: how many directions the output of a layer spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import EffectiveRank, effective_rank
from gradprobe.probes.describe import check_destination, describe
from gradprobe.probes.inert import evaluating, inert, separate_pass
from gradprobe.trace import QuantityRecord, Trace


class RepresentationProbe:
    """Records the effective rank of what a layer puts out over a split, and changes nothing.

    Args:
        model: the model in training.
        layer: the module of the model whose output [b, d] is the representation.
        trace: the trace to append to, such as a gradient probe's; None starts one.
        out: a new folder for a trace of its own; only without `trace`.
        max_rows: rows to stop after; effective rank is at most the number of rows, so models are
            compared at the same number.

    Raises:
        InputError: the layer is not the model's, or both `trace` and `out` were given.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layer: nn.Module,
        trace: Trace | None = None,
        out: str | Path | None = None,
        max_rows: int | None = None,
    ) -> None:
        names = {id(module): name for name, module in model.named_modules()}
        if id(layer) not in names:
            raise InputError("layer: expected a module of the model, got one that is not among its modules")
        check_destination(trace, out)
        self._model = model
        self._layer = layer
        self._name = names[id(layer)]
        self._max_rows = max_rows
        self.trace = Trace(out, describe(model, seed=0)) if trace is None else trace

    def measure_loader(
        self,
        loader: Iterable[Any],
        forward: Callable[[nn.Module, Any], Any],
        *,
        split: Literal["train", "heldout"],
        step: int,
        epoch: int | None = None,
    ) -> EffectiveRank:
        """Measure the layer's output over a split, in eval mode and without gradients.

        Args:
            loader: the batches; its order and random state do not move.
            forward: `forward(model, batch)` runs the model on a batch; its result is not used.
            split: what the loader holds.
            step: the optimiser step.
            epoch: the epoch, if you count them.

        Raises:
            InputError: the layer was never called.
            MeasurementError: its output is not a finite matrix [b, d].
        """
        rows: list[Tensor] = []
        with inert(self._model, loader=loader), evaluating(self._model), torch.no_grad():
            handle = self._layer.register_forward_hook(
                lambda _module, _inputs, output: rows.append(self._kept(output))
            )
            try:
                for batch in separate_pass(loader):
                    forward(self._model, batch)
                    if self._max_rows is not None and sum(len(row) for row in rows) >= self._max_rows:
                        break
            finally:
                handle.remove()
        rank = effective_rank(self._matrix(rows))
        for name, value in (("effective_rank", rank.raw), ("effective_rank_centred", rank.centred)):
            reason = rank.reason if np.isnan(value) else ""
            self.trace.append(
                QuantityRecord(step, split, name, value, epoch=epoch, layer=self._name, reason=reason)
            )
        for name, size in (("representation_rows", rank.rows), ("representation_width", rank.width)):
            self.trace.append(QuantityRecord(step, split, name, float(size), epoch=epoch, layer=self._name))
        return rank

    def _kept(self, output: Any) -> Tensor:
        """A copy of an output [b, d]: what follows the layer may change it in place."""
        if not isinstance(output, Tensor) or output.dim() != 2:
            came = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise MeasurementError(
                f"layer: expected outputs [rows, width] from {self._name!r}, got {came}; "
                "choose the layer whose output is the representation of a row"
            )
        return output.detach().clone()

    def _matrix(self, rows: list[Tensor]) -> np.ndarray:
        if not rows:
            raise InputError(
                f"forward: expected a call of layer {self._name!r}, got none in the whole loader"
            )
        widths = sorted({row.shape[1] for row in rows})
        if len(widths) > 1:
            raise MeasurementError(
                f"layer: expected outputs of one width from {self._name!r}, got {widths}; "
                "choose the layer whose output is the representation of a row"
            )
        matrix = torch.cat(rows)[: self._max_rows]
        if not bool(matrix.isfinite().all()):
            raise MeasurementError(
                f"layer: expected finite outputs from {self._name!r}, got NaN or infinity; "
                "look for divergence, or for such values among the inputs"
            )
        return matrix.double().cpu().numpy()
