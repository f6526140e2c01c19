"""The kernel probe: along which ties between nodes a network learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import FloatArray
from gradprobe.geometry.kernel import KernelAlignments, Labels, kernel_alignments
from gradprobe.gradients import all_parameters
from gradprobe.gradients.tangent import MEMORY, tangent_kernel
from gradprobe.probes.describe import check_destination, describe
from gradprobe.probes.inert import evaluating, inert
from gradprobe.trace import QuantityRecord, Trace

Forward = Callable[[nn.Module], Tensor]


@dataclass(frozen=True, eq=False)
class KernelMeasurement:
    """A network's tangent kernel [m, m] between the probe's nodes, and its alignments."""

    kernel: FloatArray
    centred: KernelAlignments
    uncentred: KernelAlignments


class KernelProbe:
    """Records how a network's tangent kernel aligns with a graph and with labels, and changes nothing.

    The kernel is the empirical one of Jacot et al. (2018), K(u, v) = sum_k <grad f_k(u), grad f_k(v)>: the
    trace over outputs k, summed over all trainable parameters, in eval mode. (Source 003's code sums over
    the outputs of u and of v independently, which is the kernel of the sum of all outputs.)

    Args:
        model: the network in training, of any kind.
        nodes: the m nodes, or samples, between which the kernel is measured: rows of the outputs.
        graph: the graph's kernel [m, m] between them, see `geometry.kernel.graph_kernel`.
        labels: their labels [m], see `geometry.kernel.label_kernel`; -1 or NaN where there is none.
        trace: the trace to append to, such as a gradient probe's; None starts one.
        out: a new folder for a trace of its own; only without `trace`.
        memory: bytes for the gradients held at a time, see `gradients.tangent.tangent_kernel`.

    Raises:
        InputError: nodes, graph and labels do not fit together, or both `trace` and `out` were given.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        nodes: npt.NDArray[np.int64],
        graph: FloatArray,
        labels: Labels,
        trace: Trace | None = None,
        out: str | Path | None = None,
        memory: int = MEMORY,
    ) -> None:
        check_destination(trace, out)
        self._model = model
        self._nodes = _check_nodes(nodes)
        self._graph, self._labels = np.asarray(graph), np.asarray(labels)
        for name, own in (("graph", self._graph), ("labels", self._labels)):
            if len(own) != len(self._nodes):
                raise InputError(f"{name}: expected rows for the {len(self._nodes)} nodes, got {len(own)}")
        # What cannot be compared is refused now, not after minutes of measuring.
        kernel_alignments(self._graph, self._graph, self._labels)
        self._memory = memory
        self.trace = Trace(out, describe(model, seed=0)) if trace is None else trace

    def kernel(self, forward: Forward) -> FloatArray:
        """The tangent kernel [m, m] between the probe's nodes.

        Args:
            forward: `forward(model)` runs the model and returns its outputs for all nodes, [n] or [n, k]:
                logits as a rule.

        Raises:
            InputError: the outputs have another shape, or no row for one of the nodes.
            MeasurementError: they have no graph, or their gradients are not finite.
        """
        with inert(self._model), evaluating(self._model):
            outputs = forward(self._model)
            self._check(outputs)
            rows = outputs if outputs.dim() == 2 else outputs[:, None]
            chosen = rows[torch.from_numpy(self._nodes).to(rows.device)]
            return tangent_kernel(chosen, all_parameters(self._model), memory=self._memory)

    def measure(
        self,
        forward: Forward,
        *,
        step: int,
        epoch: int | None = None,
        split: Literal["train", "heldout"] = "heldout",
    ) -> KernelMeasurement:
        """Measure the kernel and record its alignments, centred and not.

        Args:
            forward: as for `kernel`.
            step: the optimiser step.
            epoch: the epoch, if you count them.
            split: what most of the nodes are.

        Raises:
            InputError, MeasurementError: as for `kernel`.
        """
        kernel = self.kernel(forward)
        centred, uncentred = (
            kernel_alignments(kernel, self._graph, self._labels, centred=flag) for flag in (True, False)
        )
        for found, suffix in ((centred, ""), (uncentred, "_uncentred")):
            for name, quantity in found.quantities.items():
                record = f"{name}_alignment{suffix}"
                self.trace.append(
                    QuantityRecord(step, split, record, float(quantity), epoch=epoch, reason=quantity.reason)
                )
        return KernelMeasurement(kernel, centred, uncentred)

    def _check(self, outputs: object) -> None:
        if not isinstance(outputs, Tensor) or outputs.dim() not in (1, 2):
            came = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else type(outputs).__name__
            raise InputError(f"forward: expected outputs [nodes, outputs], got {came}")
        if self._nodes.max() >= len(outputs):
            raise InputError(
                f"nodes: expected rows of {len(outputs)} outputs, got {self._nodes.max()}; "
                "let forward return the outputs of all nodes"
            )
        if not bool(outputs.isfinite().all()):
            raise MeasurementError(
                "forward: expected finite outputs, got NaN or infinity; look for divergence"
            )


def _check_nodes(nodes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    chosen = np.asarray(nodes)
    if chosen.ndim != 1 or not chosen.size or not np.issubdtype(chosen.dtype, np.integer) or chosen.min() < 0:
        raise InputError("nodes: expected the numbers of at least one node, from 0 on, got " + repr(nodes))
    return chosen.astype(np.int64)
