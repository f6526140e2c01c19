"""The demo of a base installation: four made-up tasks that compete for a narrow trunk."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gradprobe.probes import GradientProbe
from gradprobe.trace import Trace

FOCAL = "focal"
TASKS = (FOCAL, "related", "competing", "noise")
_INPUTS, _WIDTH, _ROWS, _FEW = 12, 2, 400, 64
_STEPS, _BATCH, _EVERY = 300, 32, 3


def run_synthetic_demo(out: Path, *, seed: int = 0) -> Trace:
    """Train a small network on four tasks with a probe attached; the trace lies in `out`.

    The focal task has few labels. `related` needs what it needs, `competing` wants the two units of the trunk
    for other inputs, `noise` has labels without meaning. Takes seconds; needs torch alone.

    Raises:
        InputError: `out` holds a trace already, or cannot be written.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = _table(generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    probe = GradientProbe(
        model,
        focal=FOCAL,
        shared=model.trunk,
        every=_EVERY,
        seed=seed,
        out=out,
        batches=f"{_BATCH} rows a task, drawn with replacement",
    )
    validation = torch.arange(_ROWS, _ROWS + _FEW)
    with probe:
        for step in range(_STEPS):
            rows = {task: _draw(task, generator) for task in TASKS}
            losses = model.losses(x, y, rows)
            judge = None
            if probe.due:
                with probe.heldout():
                    judge = model.losses(x, y, {FOCAL: validation})[FOCAL]
            probe.measure(
                losses,
                rows={task: [(task, int(row)) for row in own] for task, own in rows.items()},
                heldout=judge,
                epoch=step * _BATCH // _ROWS,
            )
            optimizer.zero_grad()
            torch.stack([loss.mean() for loss in losses.values()]).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return probe.trace


class _Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(_INPUTS, _WIDTH), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(_WIDTH, 1) for task in TASKS})

    def losses(self, x: Tensor, y: Tensor, rows: dict[str, Tensor]) -> dict[str, Tensor]:
        """Squared errors [k] of each task's rows."""
        return {
            task: (self.heads[task](self.trunk(x[own]))[:, 0] - y[own, TASKS.index(task)]).square()
            for task, own in rows.items()
        }


def _table(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs [rows, inputs] and labels [rows, tasks], the validation rows of the focal task last."""
    x = torch.randn(_ROWS + _FEW, _INPUTS, generator=generator)
    noise = 0.3 * torch.randn(_ROWS + _FEW, len(TASKS), generator=generator)
    needed = x[:, 0] + x[:, 1]
    other = 2.0 * x[:, 2] - 2.0 * x[:, 3] * x[:, 4]
    labels = torch.stack([needed, needed + 0.5 * x[:, 2], other, torch.zeros_like(other)], dim=1)
    return x, labels + noise


def _draw(task: str, generator: torch.Generator) -> Tensor:
    """Distinct rows of a batch: the focal task draws from its few, the others from all."""
    return torch.randperm(_FEW if task == FOCAL else _ROWS, generator=generator)[:_BATCH]
