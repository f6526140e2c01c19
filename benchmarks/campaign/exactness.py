"""Random models measured by the engine that a probe chooses, held against one backward pass a task.

A model is a random stack of layers with heads, dropout and reuse; labels are dense, missing at random, or one
a row. In float64 both must agree to 1e-10 of the gradients' norms, in float32 to 1e-4.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.probes import GradientProbe

from .isolated import judged
from .verdicts import HARMLESS, Verdict, judge

_ROWS, _LENGTH = 12, 5
_TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}


class Transposed(nn.Module):
    """Convolution over the middle dimension of rows [b, t, d]."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Rows [b, t, d]."""
        return self.convolution(x.transpose(1, 2)).transpose(1, 2)


class Twice(nn.Module):
    """One layer used twice in a row, with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Rows [b, t, d]."""
        return x + torch.tanh(self.layer(torch.tanh(self.layer(x))))


class Recurrent(nn.Module):
    """A GRU over the middle dimension."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Rows [b, t, d]."""
        return self.cell(x)[0]


class Attending(nn.Module):
    """Attention within a row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Rows [b, t, d]."""
        return x + self.attention(x, x, x, need_weights=False)[0]


_LAYERS: tuple[Callable[[int], nn.Module], ...] = (
    lambda width: nn.Linear(width, width),
    lambda width: nn.Linear(width, width, bias=False),
    lambda width: nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)),
    nn.LayerNorm,
    lambda _: nn.PReLU(),
    lambda _: nn.Dropout(0.3),
    lambda width: Transposed(width, 1),
    lambda width: Transposed(width, 2),
    Twice,
    Recurrent,
    Attending,
    lambda width: nn.utils.parametrizations.weight_norm(nn.Linear(width, width)),
    lambda _: nn.BatchNorm1d(_LENGTH),
)


def exactness(count: int, seed: int) -> Iterator[tuple[str, Verdict]]:
    """So many random models with their verdicts."""
    for number, verdict in judged(range(count), partial(_judge, seed=seed)):
        yield f"model {number} of seed {seed}", verdict


def _judge(number: int, seed: int) -> Verdict:
    draw = random.Random(f"{seed} {number}")
    torch.manual_seed(draw.randrange(2**31))
    dtype = draw.choice(list(_TOLERANCES))
    width, tasks = draw.choice((4, 6, 8)), [f"t{i}" for i in range(draw.randint(2, 6))]
    layers = [draw.choice(_LAYERS)(width) for _ in range(draw.randint(1, 4))]
    trunk = nn.Sequential(nn.Linear(3, width), *layers).to(dtype)
    heads = nn.ModuleDict({task: nn.Linear(width, 1) for task in tasks}).to(dtype)
    model = nn.ModuleDict({"trunk": trunk, "heads": heads})
    x = torch.randn(_ROWS, _LENGTH, 3, dtype=dtype)
    kept = _labelled(draw, tasks)

    def values(engine: str) -> np.ndarray:
        torch.manual_seed(1)
        probe = GradientProbe(model, focal=tasks[0], shared=trunk, engine=engine)
        hidden = trunk(x)[:, -1]
        losses = {task: heads[task](hidden)[:, 0][kept[task]].square() for task in tasks}
        return probe.measure(losses).gramian.values

    return judge(lambda: (values("auto"), values("loop")), partial(_agree, tolerance=_TOLERANCES[dtype]))


def _labelled(draw: random.Random, tasks: list[str]) -> dict[str, Tensor]:
    """The labelled rows [b] of each task: all of them, some, or rows of its own."""
    kind = draw.choice(("dense", "missing", "own"))
    owner = [draw.choice(tasks) for _ in range(_ROWS)]
    found = {}
    for place, task in enumerate(tasks):
        rows = {
            "dense": [True] * _ROWS,
            "missing": [draw.random() < 0.6 for _ in range(_ROWS)],
            "own": [own == task for own in owner],
        }[kind]
        rows[place] = True  # every task has a row
        found[task] = torch.tensor(rows)
    return found


def _agree(both: tuple[np.ndarray, np.ndarray], tolerance: float) -> Verdict:
    """Whether two Gramians [l, m, m] agree to `tolerance` of the norms and are undefined alike."""
    own, loop = both
    if own.shape != loop.shape or (np.isnan(own) != np.isnan(loop)).any():
        return Verdict("fault", "other layers or other undefined entries than by loop")
    lengths = np.sqrt(np.diagonal(loop, axis1=1, axis2=2))
    worst = np.nanmax(np.abs(own - loop) - tolerance * lengths[:, :, None] * lengths[:, None, :])
    return HARMLESS if worst <= 0.0 else Verdict("fault", f"off by {worst:.1e} more than the tolerance")
