"""The depth probe: whether rows of representations and of their gradients become alike, vanish or expand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import FloatArray, components, looped_degrees
from gradprobe.gradients import reusable, walk
from gradprobe.probes.depth_profile import DepthProfile, signal_profile
from gradprobe.probes.describe import check_destination, describe
from gradprobe.probes.inert import inert
from gradprobe.probes.layers import LayerListener, check_found, fresh_name
from gradprobe.trace import SplitName, Trace

Integers = Tensor | npt.NDArray[np.int64]


class DepthProbe:
    """Records mu of the outputs [n, d] of layers and of their gradients, and changes nothing.

    A row of an output stands for a node; any module whose output is a matrix will do. What is measured
    is what the layer put out in the training's own forward pass, and the gradient there of the
    training's own loss, from one backward pass of ours: same dropout mask, no forward pass more. Calls
    from which the loss cannot be reached do not count; a layer that is called again counts again, as
    `name#2`.

    Args:
        model: the model in training.
        layers: the modules to listen to; None: those of PyG that pass messages. Where a state is
            no module's output (after an activation, a residual sum), hand it to `measure` instead.
        every: measure one call of `measure` in this many, the first included. Hooks then keep the
            outputs of the coming forward pass only if it will be measured.
        trace: the trace to append to; None starts one.
        out: a new folder for a trace of its own; only without `trace`.

    Raises:
        InputError: an argument that cannot be used, with the remedy.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layers: Iterable[nn.Module] | None = None,
        every: int = 1,
        trace: Trace | None = None,
        out: str | Path | None = None,
    ) -> None:
        check_destination(trace, out)
        self._model = model
        self._listener = LayerListener(model, layers, every=every, keep=_Output.of)
        self.trace = Trace(out, describe(model, every=every, seed=0)) if trace is None else trace

    @property
    def is_due(self) -> bool:
        """Whether the next call of `measure` measures."""
        return self._listener.is_due

    def measure(
        self,
        loss: Tensor,
        *,
        states: Mapping[str, Tensor] | None = None,
        edges: Integers | None = None,
        groups: Literal["components"] | Integers | None = None,
        split: SplitName = "minibatch",
        step: int | None = None,
        epoch: int | None = None,
    ) -> DepthProfile | None:
        """Measure the forward pass behind a loss; call it before your own backward pass.

        Args:
            loss: a scalar of this step; its graph stays alive for your backward pass.
            states: tensors [n, d] of this forward pass by name, in order, in place of what the layers
                put out.
            edges: the graph [2, e], both directions of every edge: mu is also taken to the square roots
                of degrees, what the symmetrically normalised adjacency smooths to.
            groups: mu is also taken within groups of rows: the connected "components" of `edges`, or
                [n] numbers such as the graph of each node in a batch.
            split: what the rows are; "train" for a full graph.
            step: the optimiser step; by default one more than the last.
            epoch: the epoch, if you count them.

        Returns:
            Both profiles, also appended to the trace; None where this call was not due.

        Raises:
            InputError: the loss is no scalar with a graph, or edges or groups do not fit.
            MeasurementError: no output from which the loss can be reached, or one that is no matrix.
        """
        taken = self._listener.take(step)
        if taken is None:
            return None
        step, kept = taken
        if loss.dim() or not loss.requires_grad:
            raise InputError(
                f"loss: expected a scalar with a graph, got shape {tuple(loss.shape)}"
                + ("" if loss.requires_grad else " without one; measure before your own backward pass")
            )
        outputs = kept if states is None else [_Output.of(name, state) for name, state in states.items()]
        reached = self._reached(loss, outputs)
        degrees, grouped = _graph(edges, groups, rows=len(next(iter(reached.values()))[0]))
        representation = {name: values for name, (values, _) in reached.items()}
        gradient = {name: values for name, (_, values) in reached.items()}
        found = DepthProfile(
            signal_profile("representation", representation, degrees=degrees, groups=grouped),
            signal_profile("gradient", gradient, degrees=degrees, groups=grouped),
        )
        for record in found.records(step=step, split=split, epoch=epoch):
            self.trace.append(record)
        return found

    def close(self) -> None:
        """Stop listening, and write what is left of the trace."""
        self._listener.close()
        self.trace.close()

    def __enter__(self) -> DepthProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reached(self, loss: Tensor, outputs: list[_Output]) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Values and gradients of the outputs that lead to the loss."""
        gradients: Sequence[Tensor | None] = ()
        if outputs:
            edges = [output.edge for output in outputs]
            with inert(self._model), reusable([loss]):
                gradients = walk([loss], edges)
        reached: dict[str, tuple[FloatArray, FloatArray]] = {}
        for output, gradient in zip(outputs, gradients, strict=True):
            if gradient is None:
                check_found(output.name, output.original, output.edge)
                continue
            if output.values.dim() != 2:
                raise MeasurementError(
                    f"layers: expected outputs [rows, width] from {output.name!r}, got shape "
                    f"{tuple(output.values.shape)}; choose layers whose rows are nodes"
                )
            reached[fresh_name(output.name, reached)] = (_array(output.values), _array(gradient))
        if not reached:
            raise MeasurementError(
                "loss: expected one that some layer's output leads to, got none of this forward pass; "
                "measure the loss of the latest forward pass, or name the model's `layers`"
            )
        return reached


@dataclass(frozen=True, eq=False)
class _Output:
    """What a layer put out: a copy, since what follows may change it in place, and its place in the graph."""

    name: str
    values: Tensor
    edge: GradientEdge
    original: Tensor

    @classmethod
    def of(cls, name: str, output: Tensor) -> _Output:
        if not output.requires_grad:
            raise InputError(f"states: expected tensors with a graph, got {name!r} without one")
        return cls(name, output.detach().clone(), get_gradient_edge(output), output)


def _graph(
    edges: Integers | None, groups: Literal["components"] | Integers | None, *, rows: int
) -> tuple[FloatArray | None, npt.NDArray[np.int64] | None]:
    """Degrees and groups of the rows."""
    ends = None if edges is None else _integers(edges)
    if ends is not None and (ends.ndim != 2 or len(ends) != 2 or ends.max(initial=-1) >= rows):
        raise InputError(f"edges: expected [2, edges] below {rows} rows, got shape {ends.shape}")
    degrees = None if ends is None else looped_degrees(ends, rows)
    if not isinstance(groups, str):
        return degrees, None if groups is None else _integers(groups)
    if groups != "components" or ends is None:
        raise InputError(
            f"groups: expected 'components' together with edges, or a number a row, got {groups!r}"
            + (" without edges" if ends is None else "")
        )
    return degrees, components(ends, rows)


def _integers(values: Integers) -> npt.NDArray[np.int64]:
    plain = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.asarray(plain, dtype=np.int64)


def _array(values: Tensor) -> FloatArray:
    return np.asarray(values.detach().to(torch.float64).cpu().numpy())
