"""The node gradients of one layer in one step, and the quantities read off them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.geometry.graph import (
    NodeGraph,
    alignment,
    conflict_flags,
    edge_conflict,
    neighbour_mean,
    project,
    smooth_jacobi,
    task_conflict,
)
from gradprobe.trace import QuantityRecord, SplitName

NO_DIRECTION = "no node has both a gradient and neighbours with one"
NO_PAIR = "no node has gradients of two tasks"


@dataclass(frozen=True)
class NodeOptions:
    """When a node counts as in conflict (eq. 1), and how much the correction shown beside it smooths."""

    min_norm: float = 0.0
    below: float = 0.0
    smoothing: float = 1.0


@dataclass(frozen=True, eq=False)
class NodeGradients:
    """Gradients of a loss at the n nodes of a layer's output: [n, d], or [T, n, d] where `tasks` names T.

    `graph` is the graph they were measured on; `quantities` are the numbers in the trace by (task, name),
    with the task "" for one loss, or for the sum of the tasks'; `reasons` say why some are NaN.
    """

    layer: str
    tasks: tuple[str, ...]
    gradients: FloatArray
    graph: NodeGraph
    quantities: Mapping[tuple[str, str], float]
    reasons: Mapping[tuple[str, str], str]

    @property
    def total(self) -> FloatArray:
        """The gradient [n, d] of the loss, or of the sum of the tasks' losses."""
        return self.gradients if self.gradients.ndim == 2 else np.asarray(self.gradients.sum(axis=0))

    def records(self, *, step: int, split: SplitName, epoch: int | None) -> Iterator[QuantityRecord]:
        """What the trace keeps: one number a quantity and task."""
        for (task, name), value in self.quantities.items():
            reason = self.reasons.get((task, name), "")
            yield QuantityRecord(step, split, name, value, epoch, layer=self.layer, task=task, reason=reason)


def node_gradients(
    layer: str, tasks: tuple[str, ...], gradients: FloatArray, graph: NodeGraph, options: NodeOptions
) -> NodeGradients:
    """Gradients [n, d], or [T, n, d] of the tasks, with their quantities."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    total = gradients if gradients.ndim == 2 else gradients.sum(axis=0)
    for task, rows in [("", total), *zip(tasks, gradients if tasks else (), strict=True)]:
        found |= {(task, name): value for name, value in _quantities(rows, graph, options).items()}
    if len(tasks) > 1:
        found["", "node_task_conflict"] = _mean(task_conflict(gradients)[1], NO_PAIR)
    return NodeGradients(
        layer,
        tasks,
        gradients,
        graph,
        quantities={key: value for key, (value, _) in found.items()},
        reasons={key: reason for key, (value, reason) in found.items() if np.isnan(value)},
    )


def _quantities(rows: FloatArray, graph: NodeGraph, options: NodeOptions) -> dict[str, tuple[float, str]]:
    """Each number by its name, with what to say where it is undefined."""
    contexts = neighbour_mean(rows, graph)
    aligned = alignment(rows, graph)
    flags = conflict_flags(rows, contexts, min_norm=options.min_norm, below=options.below)
    projected = project(rows, contexts, flagged=flags)
    smoothed, corrected = (
        smooth_jacobi(start, graph, strength=options.smoothing) for start in (rows, projected)
    )
    edges = edge_conflict(rows, graph)
    return {
        "node_zero_rows": (float(np.mean(~rows.any(axis=1))), ""),
        "node_conflict_share": _mean(np.where(np.isnan(aligned), np.nan, flags)),
        "node_conflict_loss": (float(edges.loss), ""),
        "node_conflict_loss_per_edge": (float(edges.loss_per_edge), edges.loss_per_edge.reason),
        "node_energy": (float(edges.energy), ""),
        "node_energy_per_edge": (float(edges.energy_per_edge), edges.energy_per_edge.reason),
        "node_alignment": _mean(aligned),
        "node_alignment_projected": _mean(alignment(projected, graph)),
        "node_alignment_smoothed": _mean(alignment(smoothed, graph)),
        "node_alignment_corrected": _mean(alignment(corrected, graph)),
    }


def _mean(values: FloatArray, reason: str = NO_DIRECTION) -> tuple[float, str]:
    """The mean over nodes where there is a value, and the reason for NaN where there is none."""
    known = values[~np.isnan(values)]
    return (float(known.mean()), "") if known.size else (float("nan"), reason)
