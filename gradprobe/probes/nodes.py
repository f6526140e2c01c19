"""The node gradient probe: how the gradients at the nodes of a graph pull against their neighbours'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import FloatArray
from gradprobe.geometry.graph import NodeGraph, node_graph
from gradprobe.gradients import reusable, walk
from gradprobe.probes.describe import check_destination, describe
from gradprobe.probes.inert import inert
from gradprobe.probes.layers import LayerListener, check_found, fresh_name
from gradprobe.probes.node_gradients import NodeGradients, NodeOptions, node_gradients
from gradprobe.trace import SplitName, Trace

Edges = Tensor | npt.NDArray[np.integer[Any]] | NodeGraph


class NodeGradientProbe:
    """Records how the gradients at a graph's nodes agree with their neighbours', and changes nothing.

    A row of a layer's output [n, d] stands for a node; its gradient is that of the training's own loss in its
    own forward pass, from one backward pass of ours for each task. Mean losses over few labelled nodes
    leave most rows zero: the share of zero rows is recorded beside every number.

    Args:
        model: the model in training, of PyG's layers or any others.
        layers: the modules whose outputs to take; None: the first of PyG's that passes messages and that
            the loss depends on. Outputs are taken as the module returns them, before an
            activation that follows it; hand other states to `measure`.
        every: measure one call of `measure` in this many, the first included.
        min_norm: a node is in conflict only where its gradient is longer than this (GraGR, eq. 1)
        below: and its cosine with the neighbours' mean is below this.
        smoothing: the strength of the Jacobi step behind `node_alignment_smoothed` and `_corrected`.
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
        min_norm: float = 0.0,
        below: float = 0.0,
        smoothing: float = 1.0,
        trace: Trace | None = None,
        out: str | Path | None = None,
    ) -> None:
        check_destination(trace, out)
        self._model = model
        self._options = NodeOptions(min_norm, below, smoothing)
        self._first_only = layers is None
        self._listener = LayerListener(model, layers, every=every, keep=_State.of)
        self.trace = Trace(out, describe(model, every=every, seed=0)) if trace is None else trace

    @property
    def is_due(self) -> bool:
        """Whether the next call of `measure` measures."""
        return self._listener.is_due

    def measure(
        self,
        losses: Tensor | Mapping[str, Tensor],
        edge_index: Edges,
        *,
        states: Mapping[str, Tensor] | None = None,
        split: SplitName = "minibatch",
        step: int | None = None,
        epoch: int | None = None,
    ) -> dict[str, NodeGradients] | None:
        """Measure the forward pass behind the losses; call it before your own backward pass.

        Args:
            losses: one loss, or one for each task by name: scalars, or a number a row, of which the mean
                is taken. Their graph stays alive. A task without rows is left out.
            edge_index: the graph of the nodes, [2, E] in either or both directions, or a `NodeGraph`
                where edges have weights or the graph is large and always the same.
            states: tensors [n, d] of this forward pass by name, in place of what the layers put out.
            split: what the losses are taken over.
            step: the optimiser step; by default one more than the last.
            epoch: the epoch, if you count them.

        Returns:
            Gradients and quantities by layer, the latter also appended to the trace; None where this call
            was not due.

        Raises:
            InputError: losses without a graph, or an edge index that does not fit the nodes.
            MeasurementError: no state that the losses depend on, one that is no matrix, or a gradient
                that is not finite.
        """
        taken = self._listener.take(step)
        if taken is None:
            return None
        step, kept = taken
        named = _scalars(losses)
        if states is not None:
            kept = [_State.of(name, state) for name, state in states.items()]
        reached = self._gradients(named, kept, first_only=self._first_only and states is None)
        tasks = tuple(named) if isinstance(losses, Mapping) else ()
        found = {}
        for layer, rows in reached.items():
            graph = _graph(edge_index, nodes=rows.shape[1])
            found[layer] = node_gradients(layer, tasks, rows if tasks else rows[0], graph, self._options)
            for record in found[layer].records(step=step, split=split, epoch=epoch):
                self.trace.append(record)
        return found

    def close(self) -> None:
        """Stop listening, and write what is left of the trace."""
        self._listener.close()
        self.trace.close()

    def __enter__(self) -> NodeGradientProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _gradients(
        self, losses: Mapping[str, Tensor], states: list[_State], *, first_only: bool
    ) -> dict[str, FloatArray]:
        """The gradients [T, n, d] at the states that some loss depends on."""
        edges = [state.edge for state in states]
        by_task: list[tuple[Tensor | None, ...]] = []
        if edges:
            with inert(self._model), reusable(list(losses.values())):
                by_task = [walk([loss], edges) for loss in losses.values()]
        reached: dict[str, FloatArray] = {}
        for state, *gradients in zip(states, *by_task, strict=True):
            if all(gradient is None for gradient in gradients):
                check_found(state.name, state.tensor, state.edge)
                continue
            reached[fresh_name(state.name, reached)] = state.stacked(gradients)
            if first_only:
                break
        if not reached:
            raise MeasurementError(
                "losses: expected losses that depend on some layer's output, got none of this forward pass; "
                "make the probe before it, name the model's `layers`, or hand the `states` themselves"
            )
        return reached


@dataclass(frozen=True, eq=False)
class _State:
    """What a layer put out, and its place in the graph, which later changes in place do not move."""

    name: str
    tensor: Tensor
    edge: GradientEdge

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> _State:
        if not tensor.requires_grad:
            raise InputError(f"states: expected tensors with a graph, got {name!r} without one")
        return cls(name, tensor, get_gradient_edge(tensor))

    def stacked(self, gradients: list[Tensor | None]) -> FloatArray:
        """Gradients [T, n, d]; those of a task that does not depend on the state are zero."""
        shape = tuple(self.tensor.shape)
        if len(shape) != 2:
            raise MeasurementError(
                f"layers: expected outputs [nodes, width] from {self.name!r}, got shape {shape}; choose "
                "layers whose rows are nodes"
            )
        arrays = [np.zeros(shape) if gradient is None else _array(gradient) for gradient in gradients]
        if not all(np.isfinite(array).all() for array in arrays):
            raise MeasurementError(
                f"losses: expected finite gradients at {self.name!r}, got NaN or infinity; look for "
                "divergence"
            )
        return np.stack(arrays)


def _scalars(losses: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = dict(losses) if isinstance(losses, Mapping) else {"": losses}
    present = {}
    for task, loss in named.items():
        place = f"losses[{task!r}]" if isinstance(losses, Mapping) else "losses"
        if not isinstance(loss, Tensor) or loss.dim() > 1 or not loss.requires_grad:
            came = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            without = isinstance(loss, Tensor) and not loss.requires_grad
            raise InputError(
                f"{place}: expected a scalar or one number a row, with a graph, got {came}"
                + (" without one; measure before your own backward pass" if without else "")
            )
        if loss.numel():
            present[task] = loss.mean()
    if not present:
        raise InputError("losses: expected at least one with rows, got none; skip this step")
    return present


def _graph(edges: Edges, *, nodes: int) -> NodeGraph:
    if not isinstance(edges, NodeGraph):
        return node_graph(edges.detach().cpu().numpy() if isinstance(edges, Tensor) else edges, nodes)
    if edges.nodes != nodes:
        raise InputError(f"edge_index: expected a graph of {nodes} nodes, got one of {edges.nodes}")
    return edges


def _array(gradient: Tensor) -> FloatArray:
    return np.asarray(gradient.detach().to(torch.float64).cpu().numpy())
