"""Models and batches to time engines on: 18 tasks with rows of their own, unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.encoders.graphs import GraphBatch
from gradprobe.gradients import SharedParameters, select_parameters
from gradprobe.training.model import MultiTaskModel


@dataclass(frozen=True, eq=False)
class Case:
    """A model, a batch, and who owns which rows; `losses()` runs the forward pass."""

    name: str
    model: MultiTaskModel
    inputs: Any
    rows: dict[str, Tensor]
    labels: Tensor

    def losses(self) -> dict[str, Tensor]:
        """The mean squared error of each task on its own rows."""
        return {task: errors.mean() for task, errors in self.row_losses().items()}

    def row_losses(self) -> dict[str, Tensor]:
        """The squared error of each row of each task."""
        outputs = self.model(self.inputs, self.rows)
        return {task: (out - self.labels[self.rows[task]]).square() for task, out in outputs.items()}

    @property
    def shared(self) -> SharedParameters:
        """The trunk."""
        return select_parameters(self.model, self.model.encoder)


def mlp(*, tasks: int = 18, rows: int = 64, width: int = 2048, dense: bool = False) -> Case:
    """Three layers of equal width on sparse fingerprints."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(width, width), nn.ReLU()]
    trunk = nn.Sequential(*layers)
    trunk.width = width  # type: ignore[assignment]
    total = rows if dense else rows * tasks
    return _case("mlp", trunk, (torch.rand(total, width) < 0.03).float(), tasks, total, dense=dense)


def dmpnn(*, tasks: int = 18, rows: int = 32, width: int = 300) -> Case:
    """The message passing of chemprop, depth 3, and one layer on top."""
    from gradprobe.encoders.dmpnn import DMPNN, DMPNNOptions, to_chemprop

    encoder = DMPNN(72, 14, DMPNNOptions(width=width, depth=3))
    trunk = nn.Sequential(encoder, nn.Linear(width, width), nn.ReLU())
    trunk.width = width  # type: ignore[assignment]
    return _case("dmpnn", trunk, to_chemprop(_molecules(rows * tasks)), tasks, rows * tasks)


def gine(*, tasks: int = 18, rows: int = 32, width: int = 300) -> Case:
    """PyG's GINE layers, depth 5, without normalisation."""
    from gradprobe.encoders.gine import GINE, GINEOptions, to_pyg

    encoder = GINE(72, 14, GINEOptions(width=width, depth=5, norm="none"))
    return _case("gine", encoder, to_pyg(_molecules(rows * tasks)), tasks, rows * tasks)


def _case(name: str, trunk: nn.Module, inputs: Any, tasks: int, rows: int, *, dense: bool = False) -> Case:
    names = [f"task {i}" for i in range(tasks)]
    each = [torch.arange(rows)] * tasks if dense else list(torch.arange(rows).chunk(tasks))
    model = MultiTaskModel(trunk, names)
    return Case(name, model, inputs, dict(zip(names, each, strict=True)), torch.randn(rows))


def _molecules(count: int) -> GraphBatch:
    """Random graphs of the size of drugs: trees of 18 to 32 atoms with three rings."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(18, 33, size=count)
    first = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.concatenate(
        [_bonds(int(size), generator) + start for size, start in zip(sizes, first, strict=False)]
    )
    both = np.stack([ends, ends[:, ::-1]], axis=1).reshape(-1, 2)
    return GraphBatch(
        atoms=generator.random((int(first[-1]), 72), dtype=np.float32),
        bonds=generator.random((len(both), 14), dtype=np.float32),
        ends=np.ascontiguousarray(both.T),
        owner=np.repeat(np.arange(count), sizes),
        first_atom=first,
    )


def _bonds(atoms: int, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    tree = [(i, max(0, i - 1 - int(generator.integers(2)))) for i in range(1, atoms)]
    rings = [(i, i - 5) for i in generator.choice(np.arange(5, atoms), size=3, replace=False)]
    return np.array([*tree, *rings])


def total(losses: Sequence[Tensor]) -> Tensor:
    """The averaged loss, whose forward and backward pass is the unit of all ratios."""
    return torch.stack(list(losses)).mean()
