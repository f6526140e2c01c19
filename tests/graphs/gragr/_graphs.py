"""Small awkward graphs, random gradients on them, and their slow, obvious oracles."""

from __future__ import annotations

import numpy as np
import torch

from gradprobe.graphs.gragr import Edges

# Two components, a triangle with a tail and an edge, and an isolated ninth node.
PAIRS = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (4, 5), (6, 7)]
NODES = 9
ISOLATED = 8
SILENT = 5  # its gradient is zero


def edges() -> Edges:
    both = [*PAIRS, *[(v, u) for u, v in PAIRS]]
    return Edges.of(torch.tensor(sorted(both)).T, NODES)


def neighbours(node: int) -> list[int]:
    return [v for u, v in PAIRS if u == node] + [u for u, v in PAIRS if v == node]


def gradients(seed: int = 0, width: int = 3, tasks: int | None = None) -> torch.Tensor:
    shape = (NODES, width) if tasks is None else (tasks, NODES, width)
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values[..., SILENT, :] = 0.0
    return values


def laplacian() -> np.ndarray:
    matrix = np.zeros((NODES, NODES))
    for u, v in PAIRS:
        matrix[u, v] = matrix[v, u] = -1.0
        matrix[u, u] += 1.0
        matrix[v, v] += 1.0
    return matrix


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    if not a.any() or not b.any():
        return 0.0
    return float(a @ b / (a.norm() * b.norm()))


def finite_difference(function, point: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    """Central differences of a scalar function at a vector, in float64."""
    slopes = torch.zeros_like(point)
    for i in range(point.numel()):
        ahead, behind = point.clone(), point.clone()
        ahead.view(-1)[i] += step
        behind.view(-1)[i] -= step
        slopes.view(-1)[i] = (function(ahead) - function(behind)) / (2 * step)
    return slopes
